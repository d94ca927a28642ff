package realtime

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// twoApps is a world in which user ann of app instance B is online too, in a channel of the same name.
func twoApps(t *testing.T, change ...func(*Options)) (w *world, inA, inB *socket) {
	w = newWorld(t, change...)
	w.commit(join("c", "ann"))
	err := w.st.Update(t.Context(), "B", func(tx store.Tx) error {
		if err := store.AppInstances.Put(tx, store.K("B"), chime.AppInstance{ID: "B"}); err != nil {
			return err
		}
		if err := store.Users.Put(tx, store.K("B", "ann"), chime.User{ID: "ann"}); err != nil {
			return err
		}
		return commitTo(tx, []chime.Event{inApp("B", join("c", "ann"))})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.deliver()
	inA, inB = w.attach("ann", "1"), new(socket)
	if inB.session, err = w.hub.Attach(t.Context(), Grant{App: "B", User: "user/ann", SessionID: "1"}, inB); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inB.session.Detach)
	return w, inA, inB
}

func inApp(app string, e chime.Event) chime.Event {
	e.App = app
	return e
}

func TestAppInstancesAreApart(t *testing.T) {
	w, inA, inB := twoApps(t)
	ofB := func(e chime.Event) {
		t.Helper()
		e = inApp("B", e)
		err := w.st.Update(t.Context(), "B", func(tx store.Tx) (err error) {
			e.Position, err = tx.Append(e)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w.hub.Deliver([]*chime.Event{&e})
	}
	w.commit(message("c", "of A"))
	ofB(message("c", "of B"))
	w.commit(message("c", "of A again"))
	w.expect(inA, "MSG of A", "MSG of A again")
	w.expect(inB, "MSG of B")
	ofB(chime.Event{Type: chime.EventDeleteAppInstance})
	if inA.closed != nil || inB.closed == nil {
		t.Errorf("after the deletion of B: A closed with %v, B with %v", inA.closed, inB.closed)
	}
}

// What holds up the delivery in one app instance holds up nothing in another.
func TestAppInstancesDoNotWaitForEachOther(t *testing.T) {
	stuck, release := make(chan struct{}), make(chan struct{})
	w, inA, inB := twoApps(t, func(o *Options) {
		o.Frame = func(text []byte, _ bool) []byte {
			if bytes.Contains(text, []byte("slow")) {
				close(stuck)
				<-release
			}
			return text
		}
	})
	event := func(app, text string, position uint64) []*chime.Event {
		e := inApp(app, message("c", text))
		e.Position = position
		return []*chime.Event{&e}
	}
	done := make(chan struct{})
	go func() {
		w.hub.roster("A").deliver(event("A", "slow", 100))
		close(done)
	}()
	<-stuck
	w.hub.roster("B").deliver(event("B", "quick", 101))
	if got := inB.read(t); !slices.Contains(got, "MSG quick") {
		t.Errorf("B received %q", got)
	}
	close(release)
	<-done
	if got := inA.read(t); !slices.Contains(got, "MSG slow") {
		t.Errorf("A received %q", got)
	}
}

// TestAUserComesBackWhileTheRosterIsDropped lets the last user of an app instance leave and come
// while another goroutine delivers: the new session gets what follows.
func TestAUserComesBackWhileTheRosterIsDropped(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann"))
	w.deliver()
	for range 200 {
		s := w.attach("ann", "1")
		left := make(chan struct{})
		go func() {
			s.session.Detach()
			close(left)
		}()
		next := w.attach("ann", "2")
		w.commit(message("c", "live"))
		w.expect(next, "MSG live")
		<-left
		next.session.Detach()
	}
	w.expectNoRoster()
}

// An app instance is followed until it has been without users for some time.
func TestARosterLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began, ended atomic.Int32
		w := newWorld(t, func(o *Options) {
			o.Linger = time.Minute
			follow := o.Follow
			o.Follow = func(ctx context.Context, app string) (uint64, func(), error) {
				began.Add(1)
				after, _, err := follow(ctx, app)
				return after, func() { ended.Add(1) }, err
			}
		})
		expect := func(wantBegan, wantEnded int32) {
			t.Helper()
			synctest.Wait()
			if began, ended := began.Load(), ended.Load(); began != wantBegan || ended != wantEnded {
				t.Errorf("followed %d times and ended %d times, want %d and %d", began, ended, wantBegan, wantEnded)
			}
		}
		w.commit(join("c", "ann"))
		w.deliver()

		// Users that come back in time find the roster as it is, with what happened meanwhile.
		for range 3 {
			s := w.attach("ann", "1")
			w.commit(message("c", "live"))
			w.expect(s, "MSG live")
			s.session.Detach()
			time.Sleep(time.Minute - 1)
			w.commit(message("c", "missed"))
			w.deliver()
			expect(1, 0)
		}
		time.Sleep(time.Second)
		expect(1, 1)
		w.expectNoRoster()

		s := w.attach("ann", "1")
		time.Sleep(time.Hour)
		expect(2, 1)
		w.commit(message("c", "live"))
		w.expect(s, "MSG live")
	})
}

// A roster whose log could not be followed is no obstacle for the next user.
func TestARosterThatCannotFollowEndsAtOnce(t *testing.T) {
	broken := errors.New("broken")
	w := newWorld(t, func(o *Options) {
		o.Linger = time.Minute
		follow := o.Follow
		o.Follow = func(ctx context.Context, app string) (uint64, func(), error) {
			after, stop, err := follow(ctx, app)
			return after, stop, cmp.Or(broken, err)
		}
	})
	if _, err := w.hub.Attach(t.Context(), Grant{App: "A", User: "user/ann"}, new(socket)); !errors.Is(err, broken) {
		t.Errorf("attached to a log that cannot be read: %v", err)
	}
	w.expectNoRoster()
	broken = nil
	w.expect(w.attach("ann", "1"))
}
