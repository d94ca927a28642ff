package realtime

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// BenchmarkDeliver hands messages that come together to a thousand members, each of whom takes them.
func BenchmarkDeliver(b *testing.B) {
	for _, together := range []int{1, 16} {
		b.Run(fmt.Sprint(together, "_together"), func(b *testing.B) { benchmarkDeliver(b, together) })
	}
}

func benchmarkDeliver(b *testing.B, together int) {
	const members = 1000
	st := memstore.New()
	defer st.Close()
	hub := New(Options{
		Store: st, Frame: func(text []byte, _ bool) []byte { return bytes.Clone(text) },
		Follow: func(context.Context, string) (uint64, func(), error) { return 0, func() {}, nil },
	})
	err := st.Update(b.Context(), "A", func(tx store.Tx) error {
		for i := range members {
			id := fmt.Sprint(i)
			if err := store.Users.Put(tx, store.K("A", id), chime.User{ID: id}); err != nil {
				return err
			}
			if err := store.MembershipsOf.Put(tx, store.K("A", "user/"+id, "c"), chime.ChannelEntry{UID: "c"}); err != nil {
				return err
			}
		}
		return store.AppInstances.Put(tx, store.K("A"), chime.AppInstance{ID: "A"})
	})
	if err != nil {
		b.Fatal(err)
	}
	sessions := make([]*Session, members)
	for i := range sessions {
		if sessions[i], err = hub.Attach(b.Context(), Grant{App: "A", User: chime.UserRef(fmt.Sprint(i)), SessionID: "s"}, mute{}); err != nil {
			b.Fatal(err)
		}
		sessions[i].Take(nil, 1<<20)
	}

	b.ReportAllocs()
	var frames [][]byte
	events, position := make([]*chime.Event, together), uint64(0)
	for b.Loop() {
		for i := range events {
			position++
			events[i] = &chime.Event{Position: position, Type: chime.EventCreateMessage, Topic: chime.Topic{App: "A", Channel: "c"}, MessageType: "STANDARD", Payload: make([]byte, 600)}
		}
		hub.Deliver(events)
		for _, s := range sessions {
			frames = s.Take(frames[:0], 1<<20)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members*together), "ns/delivery")
	for _, s := range sessions {
		s.Detach()
	}
}

// What comes together is delivered as if each event came alone: to those that are members at its place in
// the log, and to a user that came online in between from there on.
func TestEventsThatComeTogether(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann"), join("d", "ann"))
	w.deliver()
	ann, bob := w.attach("ann", "1"), w.attach("bob", "1")
	w.commit(
		message("c", "1"), message("c", "2"), message("d", "3"), message("d", "4"), join("c", "bob", "cy"),
		message("c", "5"), message("c", "6"), leave("c", "bob"), message("c", "7"),
	)
	cy := w.attach("cy", "1") // knows all of that
	w.commit(message("c", "8"), message("c", "9"))
	var together []*chime.Event
	for len(together) < 11 {
		events, err := w.cur.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		together = append(together, events...)
	}
	w.hand(together)

	w.expect(ann, "MSG 1", "MSG 2", "MSG 3", "MSG 4", "JOIN bob,cy", "MSG 5", "MSG 6", "LEAVE bob", "MSG 7", "MSG 8", "MSG 9")
	w.expect(bob, "JOIN bob,cy", "MSG 5", "MSG 6", "LEAVE bob")
	w.expect(cy, "MSG 8", "MSG 9")
}

// However much comes together, a reader that keeps up gets it: the hub lets the transports catch up before a
// queue is full. A reader that does not is too slow.
func TestReadersThatKeepUpAreNotTooSlow(t *testing.T) {
	var ann *socket
	w := newWorld(t, func(o *Options) {
		o.MaxQueueBytes = 3000
		o.CatchUp = func() { ann.read(t) }
	})
	w.commit(join("c", "ann", "bob"))
	w.deliver()
	ann = w.attach("ann", "1")
	bob := w.attach("bob", "1")
	bob.stopped = true

	var sent []chime.Event
	var want []string
	for i := range 100 {
		sent, want = append(sent, message("c", fmt.Sprint(i))), append(want, fmt.Sprint("MSG ", i))
	}
	w.commit(sent...)
	var together []*chime.Event
	for len(together) < len(sent) {
		events, err := w.cur.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		together = append(together, events...)
	}
	w.hand(together)

	w.expect(ann, want...)
	if ann.closed != nil {
		t.Errorf("the reader that keeps up was closed: %v", ann.closed)
	}
	if bob.closed == nil || bob.closed.Code != CloseInternalError {
		t.Errorf("the reader that does not was closed with %v", bob.closed)
	}
}

// What is for few and has nothing behind it is written by the deliverer. More is shared out among the
// goroutines of the transport, which join what comes meanwhile.
func TestTheDelivererWritesToFew(t *testing.T) {
	const members = 3
	for name, tc := range map[string]struct {
		sessions, messages int // sessions of each member
		writes             int // by each socket
	}{
		"one message for few":      {1, 1, 1},
		"one message for many":     {fewReceivers/members + 1, 1, 0},
		"several messages for few": {1, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(join("c", "ann", "bob", "cy"))
			w.deliver()
			var sockets []*socket
			for _, user := range []string{"ann", "bob", "cy"} {
				for n := range tc.sessions {
					s := w.attach(user, fmt.Sprint(n))
					s.read(t)
					sockets = append(sockets, s)
				}
			}

			var events []*chime.Event
			for n := range tc.messages {
				e := message("c", fmt.Sprint(n))
				e.App, e.Position = "A", w.at.Load()+uint64(n)+1
				events = append(events, &e)
			}
			w.hand(events)
			for _, s := range sockets {
				if got := len(s.read(t)); s.writes != tc.writes || got != 1+tc.messages {
					t.Errorf("%d writes and %d frames, want %d and %d", s.writes, got, tc.writes, 1+tc.messages)
				}
			}
		})
	}
}
