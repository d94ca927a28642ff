package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// traces finds events by the channels and members that they concern, and no others,
// until the log is trimmed.
func traces(t *testing.T, h Harness) {
	s := h.open(t)
	ann, bob := chime.UserRef("ann"), chime.UserRef("bob")
	refs := func(r ...chime.Ref) []chime.Ref { return r }
	many := refs(bob)
	for i := range 200 {
		many = append(many, chime.UserRef(fmt.Sprint("user", i)))
	}
	update(t, s, func(tx store.Tx) error {
		for _, e := range []chime.Event{
			{Topic: chime.Topic{Channel: "one"}, Join: refs(ann)},                                    // 1
			{Topic: chime.Topic{Channel: "one"}},                                                     // 2
			{Topic: chime.Topic{Channel: "two"}},                                                     // 3
			{Topic: chime.Topic{Channel: "one"}, Only: refs(ann, bob)},                               // 4
			{Topic: chime.Topic{Channel: "one"}, Also: refs(bob)},                                    // 5
			{Topic: chime.Topic{Channel: "one", Sub: "sub"}},                                         // 6
			{Topic: chime.Topic{Channel: "one"}, MessageType: "none", Leave: refs(ann)},              // 7
			{Topic: chime.Topic{Channel: "three"}},                                                   // 8
			{Topic: chime.Topic{Channel: "one"}, Only: refs(bob), Join: refs(bob), Leave: refs(ann)}, // 9
			{Topic: chime.Topic{Channel: "one"}, Only: many, Join: refs(ann)},                        // 10
		} {
			e.Type, e.App = "t", app
			switch e.MessageType {
			case "":
				e.MessageType = chime.MessageTypeSystem
			case "none":
				e.MessageType = ""
			}
			if _, err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	err := s.Update(context.Background(), "other", func(tx store.Tx) error {
		_, err := tx.Append(chime.Event{Type: "t", MessageType: chime.MessageTypeSystem, Topic: chime.Topic{App: "other", Channel: "one"}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "channel", channelTraces(t, s, "one", "", 0, 9), []string{"1", "2", "5"})
	same(t, "part of it", channelTraces(t, s, "one", "", 1, 4), []string{"2"})
	same(t, "sub-channel", channelTraces(t, s, "one", "sub", 0, 9), []string{"6"})
	same(t, "ann", userTraces(t, s, ann, 0, 9), []string{"1 moves", "4", "7 moves", "9 moves"})
	same(t, "channel of an event for many of it", channelTraces(t, s, "one", "", 9, 10), []string{"10"})
	same(t, "bob, one of many", userTraces(t, s, bob, 9, 10), []string(nil))
	same(t, "ann, who joins", userTraces(t, s, ann, 9, 10), []string{"10 moves"})
	same(t, "bob", userTraces(t, s, bob, 4, 9), []string{"5", "9 moves"})

	update(t, s, func(tx store.Tx) error { return tx.TrimEvents(4) })
	same(t, "after the trim", channelTraces(t, s, "one", "", 4, 9), []string{"5"})
	update(t, s, func(tx store.Tx) error { return tx.TrimEvents(1 << 30) })
	same(t, "when the part of the log is gone", userTraces(t, s, bob, 0, 9), []string(nil))
	unchanged(t, s)
}

func channelTraces(t *testing.T, s store.Store, uid, sub string, after, upTo uint64) (list []string) {
	t.Helper()
	view(t, s, func(r store.Reader) error {
		return store.ChannelTraces(r, chime.Topic{App: "app", Channel: uid, Sub: sub}, after, upTo, collect(&list))
	})
	return list
}

func userTraces(t *testing.T, s store.Store, ref chime.Ref, after, upTo uint64) (list []string) {
	t.Helper()
	view(t, s, func(r store.Reader) error {
		return store.UserTraces(r, "app", ref, after, upTo, collect(&list))
	})
	return list
}

func collect(list *[]string) func(store.Trace) (bool, error) {
	return func(trace store.Trace) (bool, error) {
		text := fmt.Sprint(trace.Position)
		if trace.Moves {
			text += " moves"
		}
		*list = append(*list, text)
		return true, nil
	}
}
