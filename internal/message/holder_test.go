package message_test

import (
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
)

// inherited is a channel in which bob sent a message, and ann one to bob alone, before another
// user took bob's id and became a member. The clock stands still.
func inherited(t *testing.T) (w *servicetest.World, own, targeted string) {
	w = room(t)
	own = w.Send(w.Text("bob", "c", "bob's own"))
	req := w.Text("ann", "c", "psst")
	req.Target = []messaging.Target{{MemberARN: ptr(w.User("bob"))}}
	targeted = w.Send(req)
	w.Replace("bob", "Robert")
	w.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
	w.Events()
	return w, own, targeted
}

func TestTheNextHolderOfAnIDHasNoMessagesOfTheFormer(t *testing.T) {
	w, own, targeted := inherited(t)
	listed, _ := history(w, "bob")
	expect(t, "what the next holder lists", listed, []string{"bob's own"})
	if _, outcome := get(w, "bob", targeted); outcome != "NotFound" {
		t.Errorf("getting the message to the former holder: %s", outcome)
	}
	if outcome := change(w, "bob", own, false, nil); outcome != "Forbidden" {
		t.Errorf("editing the former holder's message: %s", outcome)
	}
	_, err := w.Messages.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: own, ChimeBearer: w.User("bob")})
	if outcome := servicetest.Outcome(err); outcome != "Forbidden" {
		t.Errorf("redacting the former holder's message: %s", outcome)
	}
	_, err = w.Messages.GetChannelMessageStatus(ctx, &messaging.GetChannelMessageStatusRequest{ChannelARN: w.Channel("c"), MessageID: own, ChimeBearer: w.User("bob")})
	if outcome := servicetest.Outcome(err); outcome != "Forbidden" {
		t.Errorf("the status of the former holder's message: %s", outcome)
	}
	expect(t, "events", w.Events(), nil)

	mine := w.Send(w.Text("bob", "c", "of the next holder"))
	if outcome := change(w, "bob", mine, false, nil); outcome != "ok" {
		t.Errorf("editing a message of its own: %s", outcome)
	}
}

func TestTheNextHolderOfAnIDIsToldNothingAboutTheFormer(t *testing.T) {
	w, _, targeted := inherited(t)
	if outcome := change(w, "ann", targeted, false, nil); outcome != "ok" {
		t.Fatal(outcome)
	}
	expect(t, "an edit", w.Events(), []string{"UPDATE_CHANNEL_MESSAGE to ann: new"})
	if outcome := change(w, "adm", targeted, true, nil); outcome != "ok" {
		t.Fatal(outcome)
	}
	expect(t, "a deletion", w.Events(), []string{"DELETE_CHANNEL_MESSAGE to ann:"})
}

// An old message shows its sender under the name that the sender had at last, also when several
// users had the id one after the other.
func TestMessagesShowTheNameOfWhoeverHeldTheID(t *testing.T) {
	w, first, _ := inherited(t)
	second := w.Send(w.Text("bob", "c", "second"))
	w.Replace("bob", "Roberta")
	w.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
	third := w.Send(w.Text("bob", "c", "third"))
	for id, name := range map[string]string{first: "BOB", second: "Robert", third: "Roberta"} {
		if m, outcome := get(w, "ann", id); outcome != "ok" || m.Sender.Name != name || m.Sender.ARN != w.User("bob") {
			t.Errorf("%s: sent by %+v, want %s", outcome, m.Sender, name)
		}
	}
	listed, err := w.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("cy")})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range listed.ChannelMessages {
		names = append(names, m.Sender.Name)
	}
	expect(t, "the list", names, []string{"Roberta", "Robert", "BOB"})
}

// A record that was written before positions were kept goes by its time of creation.
func TestMessagesWithoutAPositionGoByTheirTime(t *testing.T) {
	w := room(t)
	own := w.Send(w.Text("bob", "c", "bob's own"))
	forgetPositions(t, w)
	if outcome := change(w, "bob", own, false, nil); outcome != "ok" {
		t.Errorf("editing an old message of its own: %s", outcome)
	}
	forgetPositions(t, w)
	w.Now = w.Now.Add(time.Millisecond)
	w.Replace("bob", "Robert")
	w.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
	if outcome := change(w, "bob", own, false, nil); outcome != "Forbidden" {
		t.Errorf("editing the former holder's message: %s", outcome)
	}
}

func forgetPositions(t *testing.T, w *servicetest.World) {
	t.Helper()
	err := w.Store.Update(ctx, w.AppID(), func(tx store.Tx) error {
		return store.Messages.Each(tx, store.Range{}, func(key store.Key, m chime.Message) (bool, error) {
			m.After = 0
			return true, store.Messages.Put(tx, append(store.Key(nil), key...), m)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}
