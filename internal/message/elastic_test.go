package message_test

import (
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// halls is an elastic channel "c" of ann, who is a moderator in s1: a, b and c are members of
// s1, d and e of s2. adm is an admin, out nobody.
func halls(t testing.TB) *servicetest.World {
	w := servicetest.New(t, "ann", "a", "b", "c", "d", "e", "adm", "out")
	w.MakeAdmin("adm")
	w.AddChannel("ann", "c", servicetest.Elastic(3, 4, 40))
	for _, u := range []string{"a", "b", "d", "e", "c"} { // d and e, the newest, are moved for c
		w.AddMember(u, "c", u, messaging.ChannelMembershipTypeDefault)
	}
	w.Events()
	_, err := w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{
		ChannelARN: w.Channel("c"), MemberARN: w.User("ann"), Type: "DEFAULT", SubChannelID: w.SubID("s1"), ChimeBearer: w.User("ann")})
	if err != nil {
		t.Fatal(err)
	}
	w.Events()
	return w
}

// sub is the id of a sub-channel, nil for "" and one that does not exist for "none".
func sub(w *servicetest.World, name string) *string {
	switch name {
	case "":
		return nil
	case "none":
		return ptr("none")
	}
	return w.SubID(name)
}

func sendTo(w *servicetest.World, by, name, content string, change ...func(*messaging.SendChannelMessageRequest)) (*messaging.SendChannelMessageResponse, string) {
	req := w.Text(by, "c", content)
	req.SubChannelID = sub(w, name)
	for _, f := range change {
		f(req)
	}
	resp, err := w.Messages.SendChannelMessage(ctx, req)
	return resp, servicetest.Outcome(err)
}

func TestSendToSubChannel(t *testing.T) {
	w := halls(t)
	for _, tc := range []struct{ by, sub, want string }{
		{"a", "s1", "ok"}, {"a", "", "BadRequest"}, {"a", "s2", "Forbidden"}, {"a", "none", "Forbidden"},
		{"d", "s2", "ok"}, {"d", "s1", "Forbidden"},
		{"ann", "s1", "ok"}, {"ann", "s2", "Forbidden"}, {"ann", "", "BadRequest"}, {"ann", "none", "Forbidden"},
		{"adm", "s1", "Forbidden"}, {"out", "s1", "Forbidden"},
	} {
		resp, got := sendTo(w, tc.by, tc.sub, "hello")
		if got != tc.want || got == "ok" && resp.SubChannelID != *w.SubID(tc.sub) {
			t.Errorf("%s sends to %q: %s (%+v), want %s", tc.by, tc.sub, got, resp, tc.want)
		}
	}
	expect(t, "events", w.Events(), []string{
		"CREATE_CHANNEL_MESSAGE to members: hello @s1", "CREATE_CHANNEL_MESSAGE to members: hello @s2", "CREATE_CHANNEL_MESSAGE to members: hello @s1",
	})
	_, got := sendTo(w, "d", "s2", "typing", func(r *messaging.SendChannelMessageRequest) { r.Persistence = "NON_PERSISTENT" })
	expect(t, got, w.Events(), []string{"CREATE_CHANNEL_MESSAGE to members: typing @s2"})
	if _, got := sendTo(w, "a", "s1", "psst", func(r *messaging.SendChannelMessageRequest) {
		r.Target = []messaging.Target{{MemberARN: ptr(w.User("d"))}}
	}); got != "BadRequest" {
		t.Errorf("a target in another sub-channel: %s", got)
	}
}

func TestReadSubChannel(t *testing.T) {
	w := halls(t)
	first, _ := sendTo(w, "a", "s1", "one")
	second, _ := sendTo(w, "d", "s2", "two")
	in := func(name string) func(*messaging.ListChannelMessagesRequest) {
		return func(r *messaging.ListChannelMessagesRequest) { r.SubChannelID = sub(w, name) }
	}
	for _, tc := range []struct {
		by, sub string
		want    string
	}{
		{"a", "", "one"}, {"a", "s1", "one"}, {"a", "s2", "Forbidden"}, {"a", "none", "Forbidden"}, {"d", "", "two"},
		{"ann", "s1", "one"}, {"ann", "s2", "two"}, {"ann", "", "BadRequest"}, {"ann", "none", "Forbidden"},
		{"adm", "s2", "two"}, {"adm", "", "BadRequest"}, {"out", "s2", "Forbidden"}, {"out", "", "Forbidden"},
	} {
		got, _ := history(w, tc.by, in(tc.sub))
		expect(t, tc.by+" lists "+tc.sub, got, []string{tc.want})
	}
	resp, err := w.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("a")})
	if err != nil || resp.SubChannelID != *w.SubID("s1") {
		t.Errorf("the list says %q, %v", resp.SubChannelID, err)
	}
	for _, tc := range []struct{ by, sub, id, want string }{
		{"a", "", first.MessageID, "ok"}, {"a", "", second.MessageID, "NotFound"}, {"a", "s2", second.MessageID, "Forbidden"},
		{"ann", "s2", second.MessageID, "ok"}, {"ann", "s1", second.MessageID, "NotFound"}, {"ann", "none", second.MessageID, "NotFound"},
		{"ann", "", second.MessageID, "BadRequest"},
	} {
		resp, err := w.Messages.GetChannelMessage(ctx, &messaging.GetChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: tc.id, SubChannelID: sub(w, tc.sub), ChimeBearer: w.User(tc.by)})
		if got := servicetest.Outcome(err); got != tc.want || got == "ok" && resp.ChannelMessage.SubChannelID == "" {
			t.Errorf("%s gets from %q: %s (%+v), want %s", tc.by, tc.sub, got, resp.ChannelMessage, tc.want)
		}
		_, err = w.Messages.GetChannelMessageStatus(ctx, &messaging.GetChannelMessageStatusRequest{ChannelARN: w.Channel("c"), MessageID: tc.id, SubChannelID: sub(w, tc.sub), ChimeBearer: w.User(tc.by)})
		if got := servicetest.Outcome(err); (got == "ok") != (tc.by == "a" && tc.want == "ok") {
			t.Errorf("%s asks the status in %q: %s", tc.by, tc.sub, got)
		}
	}
}

func TestChangeInSubChannel(t *testing.T) {
	w := halls(t)
	sent, _ := sendTo(w, "d", "s2", "draft")
	moderators, _ := sendTo(w, "ann", "s1", "welcome")
	w.Events()
	edit := func(by, name, id string) (*messaging.UpdateChannelMessageResponse, string) {
		resp, err := w.Messages.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, Content: "final", SubChannelID: sub(w, name), ChimeBearer: w.User(by)})
		return resp, servicetest.Outcome(err)
	}
	redact := func(by, name, id string) (*messaging.RedactChannelMessageResponse, string) {
		resp, err := w.Messages.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, SubChannelID: sub(w, name), ChimeBearer: w.User(by)})
		return resp, servicetest.Outcome(err)
	}
	if resp, got := edit("d", "", sent.MessageID); got != "ok" || resp.SubChannelID != *w.SubID("s2") {
		t.Errorf("edit: %s, %+v", got, resp)
	}
	expect(t, "events", w.Events(), []string{"UPDATE_CHANNEL_MESSAGE to members: final @s2"})
	if _, got := edit("a", "", sent.MessageID); got != "Forbidden" {
		t.Errorf("edit of what another sub-channel has: %s", got)
	}

	leave := func(whom string, name string) {
		t.Helper()
		if _, err := w.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User(whom), SubChannelID: sub(w, name), ChimeBearer: w.User(whom)}); err != nil {
			t.Fatal(err)
		}
	}
	leave("ann", "s1")
	w.Events()
	if _, got := edit("ann", "s1", moderators.MessageID); got != "Forbidden" {
		t.Errorf("a moderator edits its own from outside: %s", got)
	}
	if resp, got := redact("ann", "s2", sent.MessageID); got != "ok" || resp.SubChannelID != *w.SubID("s2") {
		t.Errorf("a moderator redacts from outside: %s", got)
	}
	expect(t, "events", w.Events(), []string{"REDACT_CHANNEL_MESSAGE to members: @s2"})
	late, _ := sendTo(w, "e", "s2", "before the move")
	leave("d", "") // s2 is too small without it, and e is moved to s1
	expect(t, "after the move", w.Events()[1:], []string{"DELETE_CHANNEL_MEMBERSHIP to members: D @s2 -d", "UPDATE_CHANNEL_MEMBERSHIP to e: E @s1 +e"})
	if _, got := edit("e", "", late.MessageID); got != "Forbidden" {
		t.Errorf("a moved member edits what it sent before: %s", got)
	}
	if _, got := edit("e", "s2", late.MessageID); got != "Forbidden" {
		t.Errorf("a moved member edits where it was: %s", got)
	}
	got, _ := history(w, "e")
	expect(t, "a moved member reads", got, []string{"welcome"})
	if _, err := w.Messages.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: moderators.MessageID, SubChannelID: w.SubID("s1"), ChimeBearer: w.User("adm")}); err != nil {
		t.Error(err)
	}
	expect(t, "events", w.Events(), []string{"DELETE_CHANNEL_MESSAGE to members: @s1"})
}

func TestLastMessageOfSubChannels(t *testing.T) {
	w := halls(t)
	start := w.Now
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	for i, send := range []func(){
		func() { sendTo(w, "a", "s1", "one") },
		func() { sendTo(w, "d", "s2", "two") },
		func() {
			sendTo(w, "d", "s2", "psst", func(r *messaging.SendChannelMessageRequest) {
				r.Target = []messaging.Target{{MemberARN: ptr(w.User("e"))}}
			})
		},
	} {
		w.Now = at(i + 1)
		send()
	}
	for by, want := range map[string]int{"a": 1, "d": 3, "e": 3, "ann": 2, "adm": 2, "out": 0} {
		resp, err := w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User(by)})
		if err != nil {
			t.Fatal(err)
		}
		got := resp.Channel.LastMessageTimestamp
		if want == 0 && got != nil || want > 0 && (got == nil || !got.Equal(at(want))) {
			t.Errorf("%s sees %v, want that of %d", by, got, want)
		}
	}
}
