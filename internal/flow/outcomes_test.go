package flow_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// TestOutcomes: a message is its sender's alone until its processor has answered, whatever it answers.
func TestOutcomes(t *testing.T) {
	const waits = "PENDING_CREATE_CHANNEL_MESSAGE to bob: hello (PENDING)"
	for _, tc := range []struct {
		name    string
		answer  func(*messaging.ChannelFlowCallbackRequest)
		event   string
		bob, cy string
		status  string
	}{
		{"as it is", nil, "CREATE_CHANNEL_MESSAGE to members: hello", "hello", "hello", "SENT"},
		{"changed", says("h***o"), "CREATE_CHANNEL_MESSAGE to members: h***o", "h***o", "h***o", "SENT"},
		{"denied", denied, "DENIED_CREATE_CHANNEL_MESSAGE to bob: hello (DENIED)", "", "", "Forbidden"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			within(t, func(b *bed) {
				b.is("f", callsBack)
				b.flowOf("f")
				sentAt := b.Now
				id := b.say("hello")
				b.expect("events", b.events(), waits)
				for by, want := range map[string]string{"bob": "hello PENDING", "cy": "", "ann": "", "adm": ""} {
					b.expect(by+" lists", b.sees(by), want)
				}
				b.expect("bob and then cy open the channel", b.opens("bob")+b.opens("cy"), "hello")
				b.expect("cy has unread", b.unread("cy"), 0)
				b.expect("status", b.status(id), "PENDING")
				b.expect("an edit meanwhile", b.edit(id, "again"), "Conflict")

				in := b.one()
				b.Now = b.Now.Add(time.Minute)
				b.expect("the callback", b.call(in, tc.answer), "ok")
				b.expect("events", b.events(), tc.event)
				b.expect("bob lists", b.sees("bob"), tc.bob)
				b.expect("cy lists", b.sees("cy"), tc.cy)
				b.expect("status", b.status(id), tc.status)
				b.expect("cy opens the channel", b.opens("cy"), tc.cy)
				b.expect("cy has unread", b.unread("cy"), map[bool]int{true: 1}[tc.cy != ""])
				b.expect("the same callback again", b.call(in, tc.answer), "ok")
				b.expect("another", b.call(in, says("other")), "Conflict")
				b.expect("events", b.events(), "")
				c, err := b.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("cy")})
				if err != nil || (c.Channel.LastMessageTimestamp != nil) != (tc.cy != "") {
					t.Errorf("the last message was at %v, %v", c.Channel.LastMessageTimestamp, err)
				} else if tc.cy != "" && !c.Channel.LastMessageTimestamp.Equal(sentAt) {
					t.Errorf("the last message was at %v, sent at %v", c.Channel.LastMessageTimestamp, sentAt)
				}
			})
		})
	}
}

// TestTheEventOfAProcessor says everything that a processor may need.
func TestTheEventOfAProcessor(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		req := b.Text("bob", "c", "hello")
		metadata, kind := "{}", "text/plain"
		target := b.User("cy")
		req.Metadata, req.ContentType = &metadata, &kind
		req.MessageAttributes = map[string]messaging.MessageAttributeValue{"k": {StringValues: []string{"v"}}}
		req.Target = []messaging.Target{{MemberARN: &target}}
		id := b.World.Send(req)
		in := b.one()
		m := in.ChannelMessage
		got := fmt.Sprint(in.EventType, m.MessageID == id, m.Content, m.Metadata, m.ContentType, m.ChannelARN == b.Channel("c"),
			m.Sender.Arn == b.User("bob"), m.Sender.Name, m.Persistence, m.Type, m.MessageAttributes, m.Target[0].MemberArn == target, m.CreatedTimestamp, m.LastEditedTimestamp)
		b.expect("the event", got, fmt.Sprint("CHANNEL_MESSAGE_EVENT", true, "hello", "{}", "text/plain", true, true, "BOB", "PERSISTENT", "STANDARD",
			map[string]struct{ StringValues []string }{"k": {[]string{"v"}}}, true, "2026-11-23T09:00:00.000Z", ""))
		b.call(in, nil)
		b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: hello (PENDING)", "CREATE_CHANNEL_MESSAGE to bob,cy: hello"))
		b.expect("ann lists", b.sees("ann"), "")
		b.expect("cy lists", b.sees("cy"), "hello")
	})
}

// TestProcessorsRunInOrder: each has the result of the one before, and a CallbackId of its own.
func TestProcessorsRunInOrder(t *testing.T) {
	within(t, func(b *bed) {
		b.is("one", callsBack)
		b.is("two", func(in invoked) (string, error) {
			return `{"ChannelMessage":{"Content":"` + in.ChannelMessage.Content + `+2"}}`, nil
		})
		b.is("three", callsBack)
		b.flowOf("one two three!")
		b.say("m")
		first := b.one()
		b.expect("the first", b.call(first, says("m+1")), "ok")
		synctest.Wait()
		calls := b.processor.take()
		if len(calls) != 2 || calls[0].ChannelMessage.Content != "m+1" || calls[1].ChannelMessage.Content != "m+1+2" || calls[1].CallbackID == first.CallbackID {
			t.Fatalf("then %+v", calls)
		}
		b.expect("nobody else lists", b.sees("cy"), "")
		b.expect("the third", b.call(calls[1], nil), "ok")
		b.expect("cy lists", b.sees("cy"), "m+1+2")
		b.expect("the first again", b.call(first, says("m+1")), "ok")
	})
}

// TestFailingProcessors are tried three times in about half a minute, and then their fallback action is
// taken; the operator is told.
func TestFailingProcessors(t *testing.T) {
	for _, tc := range []struct{ functions, event, cy, status string }{
		{"bad", "CREATE_CHANNEL_MESSAGE to members: hello", "hello", "SENT"},
		{"bad!", "FAILED_CREATE_CHANNEL_MESSAGE to bob: hello (FAILED)", "", "FAILED"},
		{"bad good", "CREATE_CHANNEL_MESSAGE to members: good", "good", "SENT"},
		{"good bad!", "FAILED_CREATE_CHANNEL_MESSAGE to bob: good (FAILED)", "", "FAILED"},
		{"none good", "CREATE_CHANNEL_MESSAGE to members: good", "good", "SENT"},
		{"good none!", "FAILED_CREATE_CHANNEL_MESSAGE to bob: good (FAILED)", "", "FAILED"},
		{"wrong!", "FAILED_CREATE_CHANNEL_MESSAGE to bob: hello (FAILED)", "", "FAILED"},
	} {
		t.Run(tc.functions, func(t *testing.T) {
			within(t, func(b *bed) {
				var tries []time.Duration
				began := time.Now()
				b.is("bad", func(invoked) (string, error) {
					tries = append(tries, time.Since(began).Round(time.Second))
					return "", errors.New("503")
				})
				b.is("good", func(invoked) (string, error) { return `{"ChannelMessage":{"Content":"good"}}`, nil })
				b.is("wrong", func(invoked) (string, error) { return `{"ChannelMessage":{"Content":""}}`, nil })
				b.flowOf(tc.functions)
				id := b.say("hello")
				time.Sleep(30 * time.Second)
				synctest.Wait()
				b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: hello (PENDING)", tc.event))
				b.expect("cy lists", b.sees("cy"), tc.cy)
				b.expect("status", b.status(id), tc.status)
				if strings.Contains(tc.functions, "bad") {
					b.expect("tries", tries, "[0s 8s 20s]")
				}
				if calls := b.processor.take(); strings.HasSuffix(tc.functions, "bad!") {
					b.expect("a callback after the fallback", b.call(calls[len(calls)-1], nil), "Forbidden")
				}
			})
		})
	}
}

// TestCallbacksAreChecked: a callback is about the message, the channel and the time of its invocation.
func TestCallbacksAreChecked(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		b.AddChannel("ann", "d")
		b.say("hello")
		in := b.one()
		for name, change := range map[string]func(*messaging.ChannelFlowCallbackRequest){
			"another channel":     func(r *messaging.ChannelFlowCallbackRequest) { r.ChannelARN = b.Channel("d") },
			"no channel":          func(r *messaging.ChannelFlowCallbackRequest) { r.ChannelARN = b.Channel("none") },
			"another message":     func(r *messaging.ChannelFlowCallbackRequest) { r.ChannelMessage.MessageID += "0" },
			"another sub-channel": func(r *messaging.ChannelFlowCallbackRequest) { s := "s"; r.ChannelMessage.SubChannelID = &s },
			"unknown":             func(r *messaging.ChannelFlowCallbackRequest) { r.CallbackID = strings.Repeat("0", 32) },
		} {
			b.expect(name, b.call(in, change), "Forbidden")
		}
		b.expect("cy lists", b.sees("cy"), "")
		time.Sleep(48*time.Hour - time.Minute)
		b.expect("nearly too late", b.call(in, nil), "ok")

		// Nothing is known of a callback that is too old.
		b.say("second")
		late := b.one()
		b.events()
		time.Sleep(48*time.Hour + 2*time.Minute)
		synctest.Wait()
		b.expect("events", b.events(), "FAILED_CREATE_CHANNEL_MESSAGE to bob: second (FAILED)")
		b.expect("too late", b.call(late, nil), "Forbidden")
		b.expect("the first again", b.call(in, nil), "Forbidden")
		b.expect("bob lists", b.sees("bob"), "hello, second FAILED")
		b.expect("cy lists", b.sees("cy"), "hello")
	})
}

// TestInvocationsAreInOrder, in each channel, also of processors that take their time; and one that hangs
// does not hold up the others.
func TestInvocationsAreInOrder(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", func(in invoked) (string, error) {
			if in.ChannelMessage.Content == "hangs" {
				time.Sleep(10 * time.Second)
			}
			time.Sleep(100 * time.Millisecond)
			return `{"ChannelMessage":{}}`, nil
		})
		b.flowOf("f")
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprint(i))
			b.say(want[i])
		}
		time.Sleep(5 * time.Second)
		b.expect("invocations", b.processor.contents(), want)
		b.events()
		b.say("hangs")
		b.say("goes on")
		time.Sleep(2 * time.Second)
		if got := b.events(); !strings.Contains(got, "CREATE_CHANNEL_MESSAGE to members: goes on") || strings.Contains(got, "to members: hangs") {
			t.Errorf("events:\n%s", got)
		}
		time.Sleep(20 * time.Second)
		b.expect("events", b.events(), "CREATE_CHANNEL_MESSAGE to members: hangs")
	})
}

// TestFailuresAreNoticed: whatever the fallback action, and whatever the persistence: of processors that fail when it is
// their turn, that have no end when the message is sent, and that have none later.
func TestFailuresAreNoticed(t *testing.T) {
	for _, tc := range []struct {
		functions string
		failures  int
	}{{"none", 1}, {"none!", 1}, {"bad", 1}, {"bad!", 1}, {"none bad", 2}, {"bad none", 2}, {"bad good", 1}, {"none good", 1}, {"good none!", 1}, {"bad bad bad", 3}} {
		for _, persistence := range []messaging.ChannelMessagePersistenceType{"PERSISTENT", "NON_PERSISTENT"} {
			t.Run(tc.functions+" "+string(persistence), func(t *testing.T) {
				within(t, func(b *bed) {
					b.is("bad", func(invoked) (string, error) { return "", errors.New("the function answered 502") })
					b.is("good", func(invoked) (string, error) { return `{"ChannelMessage":{}}`, nil })
					b.flowOf(tc.functions)
					req := b.Text("bob", "c", "hello")
					req.Persistence = persistence
					b.World.Send(req)
					time.Sleep(2 * time.Minute)
					synctest.Wait()
					notices := slices.DeleteFunc(b.World.Log(), func(line string) bool { return !strings.HasPrefix(line, "PROCESSOR_INVOCATION_FAILURE") })
					b.expect("notices", len(notices), tc.failures)
				})
			})
		}
	}
}

// TestOverPebble: what waits is there after a restart, and has its outcome once.
func TestOverPebble(t *testing.T) {
	st, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	b := newBed(t, st)
	defer func() { b.stop() }()
	calls := make(chan invoked, 10)
	b.is("f", func(in invoked) (string, error) { calls <- in; return "", nil })
	b.flowOf("f f")
	b.say("before")
	first := <-calls
	b.stop()
	b.say("after")
	b.start()
	second := <-calls
	for second.ChannelMessage.Content == "before" { // it was stopped before it noted the invocation
		second = <-calls
	}
	b.expect("the first", b.call(first, says("one")), "ok")
	b.expect("its next", b.call(<-calls, says("two")), "ok")
	b.expect("the second", b.call(second, denied), "ok")
	b.expect("the first again", b.call(first, says("one")), "ok")
	b.expect("cy lists", b.sees("cy"), "two")
	b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: before (PENDING)", "PENDING_CREATE_CHANNEL_MESSAGE to bob: after (PENDING)",
		"CREATE_CHANNEL_MESSAGE to members: two", "DENIED_CREATE_CHANNEL_MESSAGE to bob: after (DENIED)"))
}
