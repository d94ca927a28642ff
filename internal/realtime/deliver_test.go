package realtime

import (
	"context"
	"fmt"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// BenchmarkDeliver hands one message to a thousand members, each of whom takes it.
func BenchmarkDeliver(b *testing.B) {
	const members = 1000
	st := memstore.New()
	defer st.Close()
	hub := New(Options{
		Store: st, Frame: func(text []byte, _ bool) []byte { return text },
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
	for position := uint64(1); b.Loop(); position++ {
		hub.Deliver([]*chime.Event{{Position: position, Type: chime.EventCreateMessage, Topic: chime.Topic{App: "A", Channel: "c"}, MessageType: "STANDARD", Payload: make([]byte, 600)}})
		for _, s := range sessions {
			frames = s.Take(frames[:0], 1<<20)
		}
	}
	for _, s := range sessions {
		s.Detach()
	}
}
