package follow_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// own is followers that app instance "a" has for itself.
type own struct {
	mu   sync.Mutex
	list []follow.Follower
}

func (o *own) followers(_ store.Reader, app string) ([]follow.Follower, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if app != "a" {
		return nil, nil
	}
	return append([]follow.Follower(nil), o.list...), nil
}

func (o *own) set(list ...follow.Follower) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = list
}

// nodeWithOwn starts a runner with those, and with followers of all app instances.
func (b *bed) nodeWithOwn(o *own, followers ...follow.Follower) (r *follow.Runner, stop func()) {
	b.t.Helper()
	r, err := follow.New(follow.Options{
		Store: b.store, Log: slog.New(slog.DiscardHandler), Random: rand.Reader, Own: o.followers, OwnName: "own",
	}, followers...)
	b.must(err)
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	synctest.Wait()
	return r, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
}

// give sets where a follower begins.
func (b *bed) give(app, follower string, position uint64) {
	b.t.Helper()
	b.must(b.store.Update(b.t.Context(), app, func(tx store.Tx) error {
		return store.Followings.Put(tx, store.K(app, follower), chime.Following{Position: position})
	}))
}

// TestAnAppInstanceHasFollowersOfItsOwn adds, pauses and removes one while the Runner works.
func TestAnAppInstanceHasFollowersOfItsOwn(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.addApp("a")
		b.addApp("b")
		var o own
		var all, first, second notes
		r, stop := b.nodeWithOwn(&o, all.follower("all"))
		defer stop()
		at := b.say("a", "c:1")
		b.say("b", "c:1")

		given := func(n *notes, name string) follow.Follower {
			f := n.follower(name)
			f.Start = follow.Given
			return f
		}
		b.give("a", "first", at)
		o.set(given(&first, "first"), given(&second, "second")) // the second has no position
		b.must(r.Refresh(t.Context(), "a"))
		b.say("a", "c:2")
		b.say("b", "c:2")
		first.expect(t, "a/c:2")
		second.expect(t, "")
		all.take()

		// Paused, it keeps the log and gets nothing.
		paused := given(&first, "first")
		paused.Paused = true
		o.set(paused)
		b.must(r.Refresh(t.Context(), "a"))
		held := b.position("a", "first")
		b.say("a", "c:3")
		first.expect(t, "")
		all.expect(t, "a/c:3")
		time.Sleep(time.Minute) // positions are written
		var floor uint64
		b.must(b.store.View(t.Context(), "a", func(rd store.Reader) (err error) {
			floor, _, err = r.Floor(rd, "a")
			return err
		}))
		if floor != held {
			t.Errorf("the log is kept behind %d, want %d", floor, held)
		}
		o.set(given(&first, "first"))
		b.must(r.Refresh(t.Context(), "a"))
		first.expect(t, "a/c:3")

		status, err := r.Status(t.Context())
		if err != nil || len(status) != 2 || status[1].Follower != "own" || status[1].AppInstances != 1 {
			t.Errorf("status: %+v, %v", status, err)
		}

		// Removed, and back at once: there is one at a time.
		o.set()
		b.must(r.Refresh(t.Context(), "a"))
		o.set(given(&first, "first"))
		b.must(r.Refresh(t.Context(), "a"))
		b.say("a", "c:4")
		first.expect(t, "a/c:4")
		b.removeApp("a")
		synctest.Wait()
		b.must(r.Refresh(t.Context(), "a"))
	})
}

// TestWhatBeginsWithTheLeaseEndsWithIt has a follower whose work beside Handle goes on for as long as the
// lease is held.
func TestWhatBeginsWithTheLeaseEndsWithIt(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.addApp("a")
		var n notes
		var log []string
		f := n.follower("f")
		f.Begin = func(ctx context.Context, app string) func() {
			log = append(log, "begin "+app)
			return func() { <-ctx.Done(); log = append(log, "end "+app) }
		}
		r, stop := b.node("one", b.store, f)
		b.say("a", "c:1")
		n.expect(t, "a/c:1")
		if _, err := r.Rewind(t.Context(), "a", "f", follow.From{Position: 1}, nil); err != nil {
			t.Fatal(err)
		}
		n.expect(t, "a/c:1")
		stop()
		if got := strings.Join(log, ", "); got != "begin a, end a, begin a, end a" {
			t.Error(got)
		}
	})
}

// TestRewindHandsOutAgain sets followers back: one that is idle, one that fails, and one that another node has.
func TestRewindHandsOutAgain(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.addApp("a")
		var n notes
		f := n.follower("f")
		f.MaxAttempts = -1
		r, stop := b.node("one", b.store, f)
		defer stop()
		b.say("a", "c:1", "c:2")
		time.Sleep(time.Minute)
		at := time.Now()
		third := b.say("a", "c:3")
		n.expect(t, "a/c:1 a/c:2 a/c:3")

		rewind := func(from follow.From) (uint64, error) { return r.Rewind(t.Context(), "a", "f", from, nil) }
		for _, step := range []struct {
			from follow.From
			want string
		}{
			{follow.From{Time: at}, "a/c:3"}, {follow.From{Position: third - 1}, "a/c:2 a/c:3"}, {follow.From{}, "a/c:1 a/c:2 a/c:3"},
			{follow.From{Time: at.Add(time.Hour)}, ""}, {follow.From{Position: third + 1}, ""},
		} {
			if _, err := rewind(step.from); err != nil {
				t.Fatalf("%+v: %v", step.from, err)
			}
			n.expect(t, step.want)
		}

		// What fails is given up for what comes before it.
		n.fail = failOn("a/c:4")
		b.say("a", "c:4")
		synctest.Wait()
		n.fail = nil
		if _, err := rewind(follow.From{Position: third}); err != nil {
			t.Fatal(err)
		}
		n.expect(t, "a/c:3 a/c:4")

		// What is written with it is written or not, as it is.
		failure := errors.New("not so")
		if _, err := r.Rewind(t.Context(), "a", "f", follow.From{Position: 1}, func(store.Tx, uint64) error { return failure }); !errors.Is(err, failure) {
			t.Errorf("%v", err)
		}
		n.expect(t, "")

		// Where it cannot begin.
		if _, err := rewind(follow.From{Position: third + 9}); !errors.Is(err, follow.ErrAhead) {
			t.Errorf("ahead: %v", err)
		}
		if _, err := r.Rewind(t.Context(), "a", "g", follow.From{Position: 1}, nil); !errors.Is(err, follow.ErrNotFound) {
			t.Errorf("an unknown follower: %v", err)
		}
		b.must(b.store.Update(t.Context(), "a", func(tx store.Tx) error { return tx.TrimEvents(third - 1) }))
		for _, from := range []follow.From{{Position: third - 1}, {Time: at.Add(-time.Second)}} {
			_, err := rewind(from)
			var early *follow.TooEarlyError
			if !errors.As(err, &early) || early.Position != third || !strings.Contains(err.Error(), fmt.Sprint("position ", third)) {
				t.Errorf("%+v: %v", from, err)
			}
		}
		if _, err := rewind(follow.From{Time: at}); err != nil {
			t.Error(err)
		}
		n.expect(t, "a/c:3 a/c:4")
	})
}

// TestRewindFencesAnotherNode has a node hold the lease, and one that does not set the follower back.
func TestRewindFencesAnotherNode(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.addApp("a")
		var mine, theirs notes
		_, _, stopTheirs := b.member("theirs", theirs.follower("f"))
		defer stopTheirs()
		first := b.say("a", "c:1")
		theirs.expect(t, "a/c:1")
		r, _, stop := b.member("mine", mine.follower("f"))
		defer stop()
		synctest.Wait()
		if _, err := r.Rewind(t.Context(), "a", "f", follow.From{Position: first}, nil); err != nil {
			t.Fatal(err)
		}
		mine.expect(t, "a/c:1")
		theirs.expect(t, "")

		// The former holder notices with what comes next, of which it moves no position.
		b.say("a", "c:2")
		mine.expect(t, "a/c:2")
		time.Sleep(time.Minute)
		theirs.take()
		if at := b.position("a", "f"); at != first+1 {
			t.Errorf("the position is %d, want %d", at, first+1)
		}
	})
}
