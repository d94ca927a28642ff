package flow_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
)

// TestAChangedFlowIsThatOfLaterMessages: what waits goes through the processors that the flow had when it was sent.
func TestAChangedFlowIsThatOfLaterMessages(t *testing.T) {
	within(t, func(b *bed) {
		for _, name := range []string{"one", "two", "other"} {
			b.is(name, callsBack)
		}
		arn := b.flowOf("one two")
		b.say("before")
		in := b.one()
		_, err := b.Flows.UpdateChannelFlow(ctx, &messaging.UpdateChannelFlowRequest{
			ChannelFlowARN: arn, Name: "changed", Processors: []messaging.Processor{processor(1, lambda("other"))},
		})
		b.expect("the change", err, nil)
		b.say("after")
		b.expect("the next message is at", b.one().Lambda, lambda("other"))
		b.expect("callback", b.call(in, nil), "ok")
		second := b.one()
		b.expect("then the first is at", second.Lambda, lambda("two"))
		b.expect("callback", b.call(second, nil), "ok")
		b.expect("cy lists", b.sees("cy"), "before")
	})
}

// TestACallbackReplaces what it has, and leaves the rest.
func TestACallbackReplaces(t *testing.T) {
	text := func(s string) *string { return &s }
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		req := b.Text("bob", "c", "hello")
		req.Metadata, req.ContentType = text("{}"), text("text/plain")
		req.MessageAttributes = map[string]messaging.MessageAttributeValue{"k": {StringValues: []string{"v"}}}
		req.PushNotification = &messaging.PushNotificationConfiguration{Title: text("title"), Body: text("hello"), Type: messaging.PushNotificationTypeVoip}
		for _, tc := range []struct {
			what   string
			change func(*messaging.ChannelMessageCallback)
			want   string
		}{
			{"nothing", func(*messaging.ChannelMessageCallback) {}, "hello {} text/plain map[k:[v]] {title hello VOIP}"},
			{"content", func(m *messaging.ChannelMessageCallback) { m.Content = text("new") }, "new {} text/plain map[k:[v]] {title hello VOIP}"},
			{"metadata", func(m *messaging.ChannelMessageCallback) { m.Metadata = text("x") }, "hello x text/plain map[k:[v]] {title hello VOIP}"},
			{"no metadata", func(m *messaging.ChannelMessageCallback) { m.Metadata = text("") }, "hello  text/plain map[k:[v]] {title hello VOIP}"},
			{"content type", func(m *messaging.ChannelMessageCallback) { m.ContentType = text("a/b") }, "hello {} a/b map[k:[v]] {title hello VOIP}"},
			{"attributes", func(m *messaging.ChannelMessageCallback) {
				m.MessageAttributes = map[string]messaging.MessageAttributeValue{"l": {StringValues: []string{"w"}}}
			}, "hello {} text/plain map[l:[w]] {title hello VOIP}"},
			{"notification", func(m *messaging.ChannelMessageCallback) {
				m.PushNotification = &messaging.PushNotificationConfiguration{Title: text("t"), Body: text("****"), Type: messaging.PushNotificationTypeDefault}
			}, "hello {} text/plain map[k:[v]] {t **** DEFAULT}"},
		} {
			again := *req
			again.ClientRequestToken = b.Token()
			id := b.World.Send(&again)
			in := b.one()
			b.expect("the event's notification", in.ChannelMessage.PushNotification, "{title hello VOIP}")
			b.expect(tc.what, b.call(in, func(r *messaging.ChannelFlowCallbackRequest) { tc.change(r.ChannelMessage) }), "ok")
			m := b.kept(id)
			b.expect(tc.what, fmt.Sprint(m.Content, " ", m.Metadata, " ", m.ContentType, " ", m.Attributes, " ", *m.Push), tc.want)
		}
	})
}

// kept is a message as the store has it.
func (b *bed) kept(id string) (m chime.Message) {
	b.t.Helper()
	err := b.Store.View(ctx, b.AppID(), func(r store.Reader) error {
		c, _, err := store.Channels.Get(r, store.K(b.AppID(), "c"))
		if err == nil {
			m, _, err = store.Messages.Get(r, store.K(b.AppID(), c.UID, id))
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// TestAnEditWithoutACallbackFails after 48 hours: the old version stays, and may be edited again.
func TestAnEditWithoutACallbackFails(t *testing.T) {
	within(t, func(b *bed) {
		id := b.say("old")
		b.is("f", callsBack)
		b.flowOf("f")
		b.Now = b.Now.Add(time.Second)
		b.expect("the edit", b.edit(id, "lost"), "PENDING")
		late := b.one()
		b.events()
		time.Sleep(48*time.Hour + 2*time.Minute)
		synctest.Wait()
		b.expect("events", b.events(), "FAILED_UPDATE_CHANNEL_MESSAGE to bob: lost (FAILED)")
		b.expect("too late", b.call(late, nil), "Forbidden")
		b.expect("status", b.status(id), "SENT")
		b.expect("cy and bob list", b.sees("cy")+b.sees("bob"), "oldold")
		b.expect("another edit", b.edit(id, "new"), "PENDING")
		b.expect("callback", b.call(b.one(), nil), "ok")
		b.expect("cy lists", b.sees("cy"), "new")
	})
}

// TestABannedSender: what a sender wrote before passes.
func TestABannedSender(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		b.say("before")
		in := b.one()
		b.Ban("ann", "c", "bob")
		b.events()
		b.expect("callback", b.call(in, nil), "ok")
		b.expect("events", b.events(), "CREATE_CHANNEL_MESSAGE to members: before")
	})
}

// TestWhatWaitsIsItsSendersAlone, for every call that could show it or act on it.
func TestWhatWaitsIsItsSendersAlone(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		id := b.say("hello")
		b.one()
		b.events()
		for _, tc := range []struct{ by, get, status, edit, redact string }{
			{"bob", "ok", "ok", "Conflict", "Conflict"},
			{"cy", "NotFound", "Forbidden", "Forbidden", "Forbidden"},
			{"ann", "NotFound", "Forbidden", "Forbidden", "Forbidden"}, // the moderator
			{"adm", "NotFound", "Forbidden", "Forbidden", "Forbidden"},
		} {
			at, by := b.Channel("c"), b.User(tc.by)
			_, err := b.Messages.GetChannelMessage(ctx, &messaging.GetChannelMessageRequest{ChannelARN: at, MessageID: id, ChimeBearer: by})
			b.expect(tc.by+" gets it", servicetest.Outcome(err), tc.get)
			_, err = b.Messages.GetChannelMessageStatus(ctx, &messaging.GetChannelMessageStatusRequest{ChannelARN: at, MessageID: id, ChimeBearer: by})
			b.expect(tc.by+" asks for its status", servicetest.Outcome(err), tc.status)
			_, err = b.Messages.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{ChannelARN: at, MessageID: id, Content: "x", ChimeBearer: by})
			b.expect(tc.by+" edits it", servicetest.Outcome(err), tc.edit)
			_, err = b.Messages.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: at, MessageID: id, ChimeBearer: by})
			b.expect(tc.by+" redacts it", servicetest.Outcome(err), tc.redact)
		}
		b.expect("events", b.events(), "")
	})
}

// TestFlowsOfSubChannels: the event and the callback name the sub-channel.
func TestFlowsOfSubChannels(t *testing.T) {
	within(t, func(b *bed) {
		b.AddChannel("ann", "e", func(r *messaging.CreateChannelRequest) {
			r.ElasticChannelConfiguration = &messaging.ElasticChannelConfiguration{
				MaximumSubChannels: 3, TargetMembershipsPerSubChannel: 4, MinimumMembershipPercentage: 40,
			}
		})
		joined, err := b.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{
			ChannelARN: b.Channel("e"), MemberARN: b.User("bob"), Type: messaging.ChannelMembershipTypeDefault, ChimeBearer: b.User("ann"),
		})
		if err != nil {
			t.Fatal(err)
		}
		sub := joined.SubChannelID
		b.is("f", callsBack)
		arn := b.flowOf("f")
		b.expect("association", associate(b.World, "ann", "e", arn), "ok")
		for _, named := range []*string{nil, &sub} {
			req := b.Text("bob", "e", "hello")
			req.SubChannelID = &sub
			b.World.Send(req)
			in := b.one()
			b.expect("the event's sub-channel", in.ChannelMessage.SubChannelID, sub)
			b.expect("callback", b.call(in, func(r *messaging.ChannelFlowCallbackRequest) { r.ChannelMessage.SubChannelID = named }), "ok")
			listed, err := b.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: b.Channel("e"), SubChannelID: &sub, ChimeBearer: b.User("bob")})
			if err != nil || listed.ChannelMessages[0].Status.Value != messaging.ChannelMessageStatusSent {
				t.Errorf("bob lists %+v, %v", listed, err)
			}
		}
	})
}
