package flow_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// TestEditsWait: others see the old version until the new one has passed, and after one that did not.
func TestEditsWait(t *testing.T) {
	within(t, func(b *bed) {
		id := b.say("old")
		b.is("f", callsBack)
		arn := b.flowOf("f")
		b.events()
		step := func(what string, answer func(*messaging.ChannelFlowCallbackRequest), event, after string) {
			b.t.Helper()
			b.Now = b.Now.Add(time.Second)
			before := b.sees("cy")
			b.expect(what+": reply", b.edit(id, what), "PENDING")
			b.expect(what+": another edit", b.edit(id, "x"), "Conflict")
			b.expect(what+": status", b.status(id), "PENDING")
			b.expect(what+": cy lists", b.sees("cy"), before)
			b.expect(what+": bob lists", b.sees("bob"), before)
			in := b.one()
			if in.ChannelMessage.LastEditedTimestamp == "" || in.ChannelMessage.Content != what {
				b.t.Errorf("the event of an edit is %+v", in)
			}
			b.expect(what+": callback", b.call(in, answer), "ok")
			b.expect(what+": events", b.events(), lines("PENDING_UPDATE_CHANNEL_MESSAGE to bob: "+what+" (PENDING)", event))
			b.expect(what+": status", b.status(id), "SENT")
			b.expect(what+": cy lists", b.sees("cy"), after)
		}
		step("new", nil, "UPDATE_CHANNEL_MESSAGE to members: new", "new")
		step("worse", denied, "DENIED_UPDATE_CHANNEL_MESSAGE to bob: worse (DENIED)", "new")
		step("bad", says("b*d"), "UPDATE_CHANNEL_MESSAGE to members: b*d", "b*d")

		// An edit that passes no flow any more overtakes one that waits.
		b.expect("waits", b.edit(id, "slow"), "PENDING")
		in := b.one()
		disassociate(b.World, "ann", "c", arn)
		b.Now = b.Now.Add(time.Second)
		b.expect("does not", b.edit(id, "fast"), "SENT")
		b.events()
		b.expect("the first is too late", b.call(in, nil), "ok")
		b.expect("events", b.events(), "FAILED_UPDATE_CHANNEL_MESSAGE to bob: slow (FAILED)")
		b.expect("cy lists", b.sees("cy"), "fast")
	})
}

// TestWhatGoesMeanwhile: a message or channel that is gone has no outcome, and no processor is refused for it.
func TestWhatGoesMeanwhile(t *testing.T) {
	within(t, func(b *bed) {
		sign := b.say("sign")
		b.is("f", callsBack)
		arn := b.flowOf("f")
		b.events()

		id := b.say("deleted")
		in := b.one()
		b.Delete("adm", "c", id)
		b.events()
		b.expect("deleted", b.call(in, nil), "ok")

		b.expect("edited", b.edit(sign, "edit"), "PENDING")
		in = b.one()
		b.Redact("ann", "c", sign)
		b.events()
		b.expect("redacted", b.call(in, nil), "ok")
		b.expect("events", b.events(), "")

		// The flow and the sender may be gone: the message passes.
		b.say("kept")
		in = b.one()
		disassociate(b.World, "ann", "c", arn)
		b.expect("the flow goes", remove(b.World, arn), "ok")
		b.Remove("bob", "c", "bob")
		b.events()
		b.expect("kept", b.call(in, nil), "ok")
		b.expect("events", b.events(), "CREATE_CHANNEL_MESSAGE to members: kept")

		b.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
		b.flowOf("f")
		b.say("last")
		in = b.one()
		_, err := b.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("ann")})
		b.expect("deletion", err, nil)
		b.expect("the channel is gone", b.call(in, nil), "Forbidden")
	})
}

// TestLiveMessages pass flows as others do, and are written nowhere.
func TestLiveMessages(t *testing.T) {
	live := func(b *bed, content string) string {
		req := b.Text("bob", "c", content)
		req.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
		return b.World.Send(req)
	}
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.is("bad", func(invoked) (string, error) { return "", errors.New("502") })
		arn := b.flowOf("f")
		id := live(b, "hello")
		b.expect("events", b.events(), "PENDING_CREATE_CHANNEL_MESSAGE to bob: hello (PENDING)")
		b.expect("status", b.status(id), "PENDING")
		in := b.one()
		b.expect("persistence", in.ChannelMessage.Persistence, "NON_PERSISTENT")
		b.expect("callback", b.call(in, says("hi")), "ok")
		b.expect("again", b.call(in, says("hi")), "ok")
		b.expect("other", b.call(in, denied), "Conflict")
		b.expect("events", b.events(), "CREATE_CHANNEL_MESSAGE to members: hi")
		b.expect("status", b.status(id), "Forbidden")
		b.expect("bob lists", b.sees("bob"), "")

		live(b, "no")
		b.expect("denial", b.call(b.one(), denied), "ok")
		b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: no (PENDING)", "DENIED_CREATE_CHANNEL_MESSAGE to bob: no (DENIED)"))
		live(b, "late")
		late := b.one()
		time.Sleep(48*time.Hour + 2*time.Minute)
		synctest.Wait()
		b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: late (PENDING)", "FAILED_CREATE_CHANNEL_MESSAGE to bob: late (FAILED)"))
		b.expect("too late", b.call(late, nil), "Forbidden")

		disassociate(b.World, "ann", "c", arn)
		b.flowOf("bad f")
		live(b, "on")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		calls := b.processor.take()
		b.expect("callback", b.call(calls[len(calls)-1], nil), "ok")
		b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: on (PENDING)", "CREATE_CHANNEL_MESSAGE to members: on"))
	})
}

// TestRestarts: a processor that was not invoked is invoked after a start, one that will call back is not,
// and each message has one outcome.
func TestRestarts(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		b.say("invoked")
		before := b.one()
		b.stop()
		for i := range 5 {
			b.say(fmt.Sprint("not ", i))
		}
		b.start()
		synctest.Wait()
		calls := b.processor.take()
		var got []string
		for _, c := range calls {
			got = append(got, c.ChannelMessage.Content)
		}
		b.expect("invocations after the start", got, "[not 0 not 1 not 2 not 3 not 4]")
		for _, c := range append(calls, before) {
			b.expect("callback", b.call(c, nil), "ok")
		}
		b.expect("cy lists", b.sees("cy"), "invoked, not 0, not 1, not 2, not 3, not 4")
		b.stop()
		b.start()
		synctest.Wait()
		b.expect("invocations after another start", b.processor.contents(), "[]")
	})
}

// TestLatestIsThatOfTheHistory: a message that passes late takes its place in the history, and moves the
// latest time of no member back.
func TestLatestIsThatOfTheHistory(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		b.say("1")
		one := b.one()
		b.Now = b.Now.Add(time.Minute)
		second := b.Now
		b.say("2")
		b.call(b.one(), nil)
		b.expect("cy lists", b.sees("cy"), "2")
		b.call(one, nil)
		b.expect("cy lists", b.sees("cy"), "1, 2")
		c, err := b.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("cy")})
		if err != nil || !c.Channel.LastMessageTimestamp.Equal(second) {
			t.Errorf("the last message was at %v, %v; want %v", c.Channel.LastMessageTimestamp, err, second)
		}
	})
}
