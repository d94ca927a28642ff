package realtime

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// in puts an event into a sub-channel.
func in(sub string, e chime.Event) chime.Event {
	e.Sub = sub
	return e
}

// moved are the events of a member whom balancing moves.
func moved(channel, user, from, to string) []chime.Event {
	left := chime.Event{Type: chime.EventLeaveSubChannel, Topic: chime.Topic{Channel: channel, Sub: from}, Leave: refs([]string{user})}
	came := in(to, join(channel, user))
	came.Type, came.Only = "MOVED", came.Join
	return []chime.Event{left, came}
}

func TestSubChannelsAreApart(t *testing.T) {
	w := newWorld(t)
	w.commit(in("s1", join("c", "ann", "bob")), in("s2", join("c", "cy")))
	w.deliver()
	ann, bob, cy := w.attach("ann", "1"), w.attach("bob", "1"), w.attach("cy", "1")
	w.commit(in("s1", message("c", "one")), in("s2", message("c", "two")), in("s2", leave("c", "cy")), in("s2", message("c", "three")))
	w.expect(ann, "MSG one")
	w.expect(bob, "MSG one")
	w.expect(cy, "MSG two", "LEAVE cy")
}

// TestEventsOfTheWholeChannel: UPDATE_CHANNEL and DELETE_CHANNEL have no sub-channel; every
// member gets them once, also a moderator in several sub-channels.
func TestEventsOfTheWholeChannel(t *testing.T) {
	w := newWorld(t)
	w.commit(in("s1", join("c", "ann", "bob")), in("s2", join("c", "cy", "bob")))
	w.deliver()
	ann, bob, cy := w.attach("ann", "1"), w.attach("bob", "1"), w.attach("cy", "1")
	update := chime.Event{Type: chime.EventUpdateChannel, Topic: chime.Topic{Channel: "c"}, MessageType: "SYSTEM"}
	w.commit(update, in("s1", leave("c", "bob", "ann")), update)
	w.expect(ann, "UPDATE_CHANNEL", "LEAVE bob,ann")
	w.expect(bob, "UPDATE_CHANNEL", "LEAVE bob,ann", "UPDATE_CHANNEL")
	w.expect(cy, "UPDATE_CHANNEL", "UPDATE_CHANNEL")
	w.commit(chime.Event{Type: chime.EventDeleteChannel, Topic: chime.Topic{Channel: "c"}, MessageType: "SYSTEM"}, in("s2", message("c", "late")), update)
	w.expect(cy, "UPDATE_CHANNEL", "UPDATE_CHANNEL", "DELETE_CHANNEL")
	w.expect(bob, "UPDATE_CHANNEL", "LEAVE bob,ann", "UPDATE_CHANNEL", "DELETE_CHANNEL")
	for _, s := range []*socket{ann, bob, cy} {
		s.session.Detach()
	}
	w.expectNoRoster()
}

func TestMovedMember(t *testing.T) {
	w := newWorld(t)
	w.commit(in("s1", join("c", "ann", "bob")), in("s2", join("c", "cy")))
	w.deliver()
	ann, bob, cy := w.attach("ann", "1"), w.attach("bob", "1"), w.attach("cy", "1")
	w.commit(in("s1", message("c", "1")))
	w.commit(moved("c", "bob", "s1", "s2")...)
	w.commit(in("s1", message("c", "2")), in("s2", message("c", "3")), chime.Event{Type: chime.EventUpdateChannel, Topic: chime.Topic{Channel: "c"}, MessageType: "SYSTEM"})
	w.expect(ann, "MSG 1", "MSG 2", "UPDATE_CHANNEL")
	w.expect(bob, "MSG 1", "MOVED bob", "MSG 3", "UPDATE_CHANNEL")
	w.expect(cy, "MSG 3", "UPDATE_CHANNEL")
}

// TestMovesBeforeAttaching: events that were committed before a user attached, and are delivered
// after, neither reach it nor put it back to where it was.
func TestMovesBeforeAttaching(t *testing.T) {
	w := newWorld(t)
	w.commit(in("s1", join("c", "bob")), in("s2", join("c", "cy")))
	w.commit(moved("c", "bob", "s1", "s2")...)
	w.commit(in("s2", message("c", "1")))
	w.commit(moved("c", "bob", "s2", "s1")...)
	w.commit(in("s2", message("c", "2")), in("s1", message("c", "3")))
	bob := w.attach("bob", "1")
	w.commit(in("s2", message("c", "4")), in("s1", message("c", "5")))
	w.expect(bob, "MSG 5")
}

func TestDetachForgetsSubChannels(t *testing.T) {
	w := newWorld(t)
	w.commit(in("s1", join("c", "ann")), in("s2", join("c", "ann")), join("d", "ann"))
	w.deliver()
	w.attach("ann", "1").session.Detach()
	w.expectNoRoster()
}

// TestNoGapWhenMovedWhileAttaching attaches again and again while bob is moved to and fro and a
// numbered message is sent to each sub-channel, and one event to the whole channel: bob gets
// each number once, from one of the two sub-channels and from the whole.
func TestNoGapWhenMovedWhileAttaching(t *testing.T) {
	w := newWorld(t)
	w.commit(in("s1", join("c", "bob")))
	w.deliver()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			events, err := w.cur.Next(ctx)
			if err != nil {
				return
			}
			w.hand(events)
		}
	})
	running.Go(func() {
		for n := 1; ctx.Err() == nil; n++ {
			text := fmt.Sprint(n)
			whole := message("c", text)
			whole.Type = "WHOLE"
			events := []chime.Event{in("s1", message("c", text)), in("s2", message("c", text)), whole}
			if from, to := "s1", "s2"; n%3 == 0 {
				if n%2 == 0 {
					from, to = to, from
				}
				events = append(events, moved("c", "bob", from, to)...)
			}
			if err := w.st.Update(ctx, "A", func(tx store.Tx) error { return commitTo(tx, events) }); err != nil {
				return
			}
		}
	})
	for i := range 15 {
		s := w.attach("bob", "s")
		for len(s.read(t)) < 3+i%17 && s.closed == nil {
			// bob's turn comes as the writer goes on
		}
		s.session.Detach()
		checkPairs(t, s.read(t))
	}
	cancel()
	running.Wait()
}

// checkPairs: MSG n and WHOLE n follow one another, n+1 follows n.
func checkPairs(t *testing.T, frames []string) {
	t.Helper()
	last, from := 0, ""
	for i, f := range frames[1:] {
		var kind string
		var n int
		if _, err := fmt.Sscanf(f, "%s %d", &kind, &n); err != nil {
			continue // MOVED
		}
		if last != 0 && (kind == from || kind == "MSG" && n != last+1 || kind == "WHOLE" && n != last) {
			t.Fatalf("%s follows %s %d in %v", f, from, last, frames[:i+2])
		}
		last, from = n, kind
	}
}
