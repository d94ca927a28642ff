package message_test

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// change has a message edited or deleted.
func change(w *servicetest.World, by, id string, remove bool, sub *string) string {
	if remove {
		_, err := w.Messages.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{
			ChannelARN: w.Channel("c"), MessageID: id, SubChannelID: sub, ChimeBearer: w.User(by)})
		return servicetest.Outcome(err)
	}
	_, err := w.Messages.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{
		ChannelARN: w.Channel("c"), MessageID: id, Content: "new", SubChannelID: sub, ChimeBearer: w.User(by)})
	return servicetest.Outcome(err)
}

func leaves(t *testing.T, w *servicetest.World, who string) {
	t.Helper()
	_, err := w.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{
		ChannelARN: w.Channel("c"), MemberARN: w.User(who), ChimeBearer: w.User(who)})
	if err != nil {
		t.Fatal(err)
	}
	w.Events()
}

// TestChangesOfTargetedMessagesAreToldToMembersAlone: who has left gets nothing of the channel any
// more, as the sender or the target of a message neither (spec 12.4 #55).
func TestChangesOfTargetedMessagesAreToldToMembersAlone(t *testing.T) {
	for _, tc := range []struct {
		name   string
		gone   []string
		by     string
		remove bool
		want   []string
	}{
		{"edit without the target", []string{"bob"}, "ann", false, []string{"UPDATE_CHANNEL_MESSAGE to ann: new"}},
		{"deletion without the target", []string{"bob"}, "adm", true, []string{"DELETE_CHANNEL_MESSAGE to ann:"}},
		{"edit without the sender", []string{"ann"}, "ann", false, []string{"UPDATE_CHANNEL_MESSAGE to bob: new"}},
		{"edit without both", []string{"ann", "bob"}, "ann", false, nil},
		{"deletion without both", []string{"ann", "bob"}, "adm", true, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := room(t)
			req := w.Text("ann", "c", "psst")
			req.Target = []messaging.Target{{MemberARN: ptr(w.User("bob"))}}
			id := w.Send(req)
			w.MakeModerator("adm", "c", "cy") // ann, the creator, is one already
			for _, who := range tc.gone {
				leaves(t, w, who)
			}
			w.Events()
			if outcome := change(w, tc.by, id, tc.remove, nil); outcome != "ok" {
				t.Fatal(outcome)
			}
			expect(t, "events", w.Events(), tc.want)
		})
	}
}

// TestTheTargetIsInAnotherSubChannel: there is a wall between it and what it was told where it was.
func TestTheTargetIsInAnotherSubChannel(t *testing.T) {
	w := halls(t)
	sent, outcome := sendTo(w, "d", "s2", "psst", func(r *messaging.SendChannelMessageRequest) {
		r.Target = []messaging.Target{{MemberARN: ptr(w.User("e"))}}
	})
	if outcome != "ok" {
		t.Fatal(outcome)
	}
	for _, joins := range []string{"out", "adm"} { // s1 is full then, and s2 has three
		w.AddMember(joins, "c", joins, messaging.ChannelMembershipTypeDefault)
	}
	leaves(t, w, "a")
	leaves(t, w, "e")
	w.AddMember("e", "c", "e", messaging.ChannelMembershipTypeDefault)
	expect(t, "events", w.Events(), []string{"CREATE_CHANNEL_MEMBERSHIP to members: E @s1 +e"})
	if outcome := change(w, "d", sent.MessageID, false, w.SubID("s2")); outcome != "ok" {
		t.Fatal(outcome)
	}
	expect(t, "events", w.Events(), []string{"UPDATE_CHANNEL_MESSAGE to d: new @s2"})
}

// TestAPendingEditOfWhoHasLeft: a moderator that is no member may edit what it sent when it was
// one, and hears nothing of it.
func TestAPendingEditOfWhoHasLeft(t *testing.T) {
	w := room(t)
	id := w.Send(w.Text("ann", "c", "old"))
	addFlow(t, w, "ABORT")
	leaves(t, w, "ann")
	if outcome := change(w, "ann", id, false, nil); outcome != "ok" {
		t.Fatal(outcome)
	}
	expect(t, "events", w.Events(), nil)
}
