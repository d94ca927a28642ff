package realtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
)

// authority knows standings by their names. What it answers may be changed between two passes.
type authority struct {
	mu       sync.Mutex
	revision uint64
	denied   map[string]bool
	failing  map[string]bool
	unsteady bool
	asked    int
	during   func(standing string) // called by each question
}

func (a *authority) Revision() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.revision
}

// set changes what the authority answers.
func (a *authority) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func (a *authority) Confirm(_ context.Context, standing any, app string, user chime.Ref) (bool, error) {
	name := standing.(string)
	if a.during != nil {
		a.during(name)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	switch {
	case app != "A" || user != "user/ann":
		return false, fmt.Errorf("asked about %s in %s", user, app)
	case a.failing[name]:
		return false, errors.New("the store is away")
	case a.denied[name]:
		return false, &CloseError{CloseUnauthorized, "not " + name}
	}
	return !a.unsteady, nil
}

// guarded is a world in which an authority decides about the sessions of ann, whose standings have the
// given names.
func guarded(t *testing.T, a *authority, names ...string) (w *world, sockets []*socket) {
	w = newWorld(t, func(o *Options) { o.Authority = a })
	for _, name := range names {
		sockets = append(sockets, w.attachAs(a, name))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.hub.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w, sockets
}

func (w *world) attachAs(a *authority, name string) *socket {
	w.t.Helper()
	s := new(socket)
	g := Grant{App: "A", User: "user/ann", SessionID: name, Standing: name, Revision: a.revision, Steady: !a.unsteady}
	var err error
	if s.session, err = w.hub.Attach(w.t.Context(), g, s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// change is a change of the account, after which the sessions have been confirmed.
func (w *world) change(a *authority) {
	a.set(func() { a.revision++ })
	w.hub.AccountChanged()
	synctest.Wait()
}

func (s *socket) end() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed == nil {
		return ""
	}
	return s.closed.Error()
}

func TestSessionsThatAreNotAllowedAnyMoreAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{}
		w, sockets := guarded(t, a, "one", "two", "three")
		w.change(a)
		a.set(func() { a.denied = map[string]bool{"two": true} })
		w.change(a)
		for i, want := range []string{"", "close 4401: not two", ""} {
			if got := sockets[i].end(); got != want {
				t.Errorf("socket %d: %q, want %q", i+1, got, want)
			}
		}
		if got := w.hub.Stats().Closed["no longer allowed"]; got != 1 {
			t.Errorf("counted %d", got)
		}
		asked := a.asked
		w.change(a)
		if a.asked != asked+2 {
			t.Errorf("asked %d times about two sessions", a.asked-asked)
		}
	})
}

func TestAFailureClosesNothingAndIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{failing: map[string]bool{"one": true}, denied: map[string]bool{"one": true, "two": true}}
		w, sockets := guarded(t, a, "one", "two")
		w.change(a)
		if one, two := sockets[0].end(), sockets[1].end(); one != "" || two == "" {
			t.Fatalf("ended: %q, %q", one, two)
		}
		a.set(func() { a.failing = nil })
		time.Sleep(confirmRetry)
		synctest.Wait()
		if sockets[0].end() == "" {
			t.Error("the session was not asked about again")
		}
	})
}

// A request may be decided before a change and attach after the pass that the change caused.
func TestASessionThatComesLateIsDecidedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{denied: map[string]bool{"late": true}}
		w, _ := guarded(t, a, "one")
		before := a.revision
		w.change(a)
		s := new(socket)
		_, err := w.hub.Attach(t.Context(), Grant{App: "A", User: "user/ann", SessionID: "l", Standing: "late", Revision: before, Steady: true}, s)
		var refused *CloseError
		if !errors.As(err, &refused) || refused.Code != CloseUnauthorized {
			t.Errorf("attached: %v", err)
		}
		if n := w.hub.Stats().Sessions; n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// What depends on the time alone is looked at when nothing changes, and what does not, is not.
func TestUnsteadyDecisionsAreLookedAtNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{unsteady: true, denied: map[string]bool{"one": true}}
		_, sockets := guarded(t, a, "one")
		time.Sleep(unsteadyPause)
		synctest.Wait()
		if sockets[0].end() == "" {
			t.Error("the session goes on")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := &authority{}
		guarded(t, a, "one")
		time.Sleep(10 * unsteadyPause)
		synctest.Wait()
		if a.asked != 0 {
			t.Errorf("asked %d times", a.asked)
		}
	})
}

// Sessions come and go while a pass is under way; each that was there before it is asked about.
func TestAPassMissesNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 5 * confirmBatch
		a := &authority{}
		w, _ := guarded(t, a)
		w.hub.env.MaxSessionsPerUser = 2 * many
		sockets := map[string]*socket{}
		for i := range many {
			name := fmt.Sprint(i)
			sockets[name] = w.attachAs(a, name)
		}
		seen := map[string]bool{}
		a.during = func(standing string) {
			seen[standing] = true
			n := len(seen)
			gone := fmt.Sprint((n * 7919) % many)
			if s := sockets[gone]; s != nil && n%3 == 0 {
				s.session.Detach()
				seen[gone] = true // it needs no answer
			}
			if n%5 == 0 && n < many {
				w.attachAs(a, "new "+fmt.Sprint(n))
			}
		}
		w.change(a)
		for name := range sockets {
			if !seen[name] {
				t.Errorf("session %s was not asked about", name)
			}
		}
	})
}
