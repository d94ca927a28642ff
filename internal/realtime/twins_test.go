package realtime

import (
	"errors"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
)

func TestSocketsOfOneSessionIDLiveTogether(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann"))
	w.deliver()
	old, young := w.attach("ann", "7"), w.attach("ann", "7")
	if old.probes != 1 || young.probes != 0 {
		t.Errorf("probed %d and %d times, want the older one once", old.probes, young.probes)
	}
	old.session.Probed(true)
	w.commit(message("c", "after"))
	w.expect(old, "MSG after")
	w.expect(young, "MSG after")
	if old.closed != nil || young.closed != nil {
		t.Errorf("old closed with %v, new with %v", old.closed, young.closed)
	}
	w.attach("ann", "8") // of another id: no probe
	third := w.attach("ann", "7")
	if old.probes != 2 || young.probes != 1 {
		t.Errorf("the third makes %d and %d probes, want 2 and 1 in all", old.probes, young.probes)
	}
	third.session.Detach()
}

// The newcomer waits for no answer; one that comes while the older socket is being probed causes
// no second probe.
func TestASilentSocketMakesRoomForItsSuccessor(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann"))
	w.deliver()
	old, young := w.attach("ann", "7"), w.attach("ann", "7")
	w.commit(message("c", "before the answer"))
	w.expect(young, "MSG before the answer")
	other := w.attach("ann", "7")
	if old.probes != 1 {
		t.Errorf("%d probes at a time", old.probes)
	}
	old.session.Probed(false)
	if old.closed == nil || old.closed.Code != CloseTryLater || young.closed != nil || other.closed != nil {
		t.Errorf("closed: %v, %v, %v; want the first alone, with a code after which it may come back", old.closed, young.closed, other.closed)
	}
	if n := w.hub.Stats().Sessions; n != 2 {
		t.Errorf("%d sessions", n)
	}
	w.commit(message("c", "after"))
	w.expect(young, "MSG before the answer", "MSG after")
}

// A request that its client has given up may arrive late, and be gone before the answer: the socket
// that is in use stays, though it was slow to answer.
func TestASocketStaysWhenItsRivalHasGone(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann"))
	w.deliver()
	used, late := w.attach("ann", "7"), w.attach("ann", "7")
	late.session.Detach()
	used.session.Probed(false)
	if used.closed != nil {
		t.Errorf("closed with %v", used.closed)
	}
	w.attach("ann", "7")
	if used.probes != 2 {
		t.Errorf("%d probes, want one for each newcomer", used.probes)
	}
}

func TestTheLimitHoldsForSocketsOfOneSessionID(t *testing.T) {
	attach := func(w *world, id string) (*socket, error) {
		s := new(socket)
		var err error
		s.session, err = w.hub.Attach(t.Context(), Grant{App: "A", User: chime.UserRef("ann"), SessionID: id}, s)
		return s, err
	}
	for _, alive := range []bool{true, false} {
		w := newWorld(t, func(o *Options) { o.MaxSessionsPerUser = 2 })
		w.commit(join("c", "ann"))
		w.deliver()
		old := w.attach("ann", "7")
		w.attach("ann", "8")
		young, err := attach(w, "7") // the older may be gone
		if err != nil {
			t.Fatal(err)
		}
		var refused *CloseError
		if _, err := attach(w, "9"); !errors.As(err, &refused) || refused.Code != CloseForbidden {
			t.Errorf("one more of another id: %v", err)
		}
		old.session.Probed(alive)
		left, stays := young, old
		if !alive {
			left, stays = old, young
		}
		if left.closed == nil || stays.closed != nil || alive && left.closed.Code != CloseForbidden {
			t.Errorf("alive %v: the older one closed with %v, the newer one with %v", alive, old.closed, young.closed)
		}
		if n := w.hub.Stats().Sessions; n != 2 {
			t.Errorf("alive %v: %d sessions", alive, n)
		}
	}
	w := newWorld(t, func(o *Options) { o.MaxSessionsPerUser = 2 })
	var refused int
	for range 20 {
		if _, err := attach(w, "7"); err != nil {
			refused++
		}
	}
	if refused != 16 {
		t.Errorf("%d of 20 that come while nothing is answered are refused, want all but twice the limit", refused)
	}
}
