package storetest

import (
	"context"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// unchanged reports something new to a member of a channel when there is, and does not vouch
// for what the log has forgotten.
func unchanged(t *testing.T, s store.Store) {
	t.Helper()
	ann := chime.UserRef("ann")
	var now uint64
	for _, tc := range []struct {
		what string
		e    chime.Event
		same bool
	}{
		{"of the channel", chime.Event{Topic: chime.Topic{Channel: "one"}, MessageType: chime.MessageTypeSystem}, false},
		{"of the log alone", chime.Event{Topic: chime.Topic{Channel: "one"}, Type: chime.EventUpdateReadMarker}, true},
		{"of a sub-channel", chime.Event{Topic: chime.Topic{Channel: "one", Sub: "sub"}, MessageType: chime.MessageTypeSystem}, true},
		{"of another channel", chime.Event{Topic: chime.Topic{Channel: "two"}, MessageType: chime.MessageTypeSystem}, true},
		{"for the member", chime.Event{Topic: chime.Topic{Channel: "two"}, MessageType: chime.MessageTypeSystem, Only: []chime.Ref{ann}}, false},
		{"for another", chime.Event{Topic: chime.Topic{Channel: "one"}, MessageType: chime.MessageTypeSystem, Only: []chime.Ref{"user/bob"}}, true},
		{"of a new name", chime.Event{Type: chime.EventUpdateUser, Subject: "user/bob"}, false},
		{"of another app instance", chime.Event{Topic: chime.Topic{App: "other"}, Type: chime.EventUpdateUser}, true},
	} {

		if tc.e.App == "" {
			tc.e.App = app
		}
		before := position(t, s)
		err := s.Update(context.Background(), tc.e.App, func(tx store.Tx) error {
			_, err := tx.Append(tc.e)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		now = position(t, s)
		if got := isUnchanged(t, s, ann, before, now); got != tc.same {
			t.Errorf("after an event %s: unchanged is %t", tc.what, got)
		}
	}

	// At the edges: the same moment, a later one, and one that the log does not reach.
	if !isUnchanged(t, s, ann, now, now) {
		t.Error("it is not as it was in the same moment")
	}
	if isUnchanged(t, s, ann, now+1, now) {
		t.Error("it is as it will be")
	}
	update(t, s, func(tx store.Tx) error { return tx.TrimEvents(now) })
	if isUnchanged(t, s, ann, now-1, now) {
		t.Error("it is as it was before what the log has forgotten")
	}
}

func isUnchanged(t *testing.T, s store.Store, ref chime.Ref, since, now uint64) (same bool) {
	t.Helper()
	view(t, s, func(r store.Reader) (err error) {
		same, err = store.Unchanged(r, chime.Topic{App: "app", Channel: "one"}, ref, since, now)
		return err
	})
	return same
}
