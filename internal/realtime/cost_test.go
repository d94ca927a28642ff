//go:build !race

// The race detector has sync.Pool drop what it holds at random, so that allocations cannot be counted.

package realtime

import (
	"fmt"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// The members of a channel share what is made of an event. One more member costs the list of the frames that
// wait for it: sessions keep none while they are idle.
func TestAMemberCostsAList(t *testing.T) {
	deliveries := func(members int) float64 {
		w := newWorld(t)
		var users []string
		w.update(func(tx store.Tx) (err error) {
			for i := range members {
				users = append(users, fmt.Sprint("user-", i))
				if err := store.Users.Put(tx, store.K("A", users[i]), chime.User{ID: users[i]}); err != nil {
					return err
				}
			}
			return nil
		})
		w.commit(join("c", users...))
		var sessions []*Session
		for _, user := range users {
			s, err := w.hub.Attach(t.Context(), Grant{App: "A", User: chime.UserRef(user), SessionID: user}, mute{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Detach)
			sessions = append(sessions, s)
		}
		w.deliver()

		e := message("c", "Hello")
		e.App, e.Ephemeral, e.Position = "A", true, w.at.Load()
		events, frames := []*chime.Event{&e}, make([][]byte, 0, 8)
		return testing.AllocsPerRun(100, func() {
			w.hub.Deliver(events)
			for _, s := range sessions {
				if frames = s.Take(frames[:0], 1<<20); len(frames) == 0 {
					t.Fatal("a session got nothing")
				}
			}
		})
	}
	few, many := deliveries(1), deliveries(201)
	if each := (many - few) / 200; each > 1.1 {
		t.Errorf("%v allocations for one member, %v for 201", few, many)
	}
}
