package follow_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
)

// term is longer than a lease lasts and shorter than two do.
const term = follow.DefaultLease + follow.DefaultLease/2

func TestOneNodeWorksAtATime(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var one, two notes
		b.addApp("a")
		_, stop := b.node("one", b.store, one.follower("f"))
		defer stop()
		synctest.Wait()
		_, stopTwo := b.node("two", b.store, two.follower("f"))
		defer stopTwo()
		for range 5 {
			b.say("a", "c:1", "c:2")
			one.expect(t, "a/c:1 a/c:2")
			time.Sleep(10 * term)
			b.say("a", "c:3")
			one.expect(t, "a/c:3")
		}
		two.expect(t, "")

		// A node that stops gives its leases back.
		stop()
		b.say("a", "c:4")
		time.Sleep(term)
		two.expect(t, "a/c:4")
	})
}

// A node that is stopped in the middle of work leaves it to the next at once.
func TestAStoppedNodeGivesItsLeaseBack(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var two notes
		one := notes{fail: func(ctx context.Context, _ []string) error { <-ctx.Done(); return ctx.Err() }}
		b.addApp("a")
		b.say("a", "c:1")
		_, stop := b.node("one", b.store, one.follower("f"))
		time.Sleep(100 * term)
		stop()
		began := time.Now()
		_, stopTwo := b.node("two", b.store, two.follower("f"))
		defer stopTwo()
		two.expect(t, "a/c:1")
		if waited := time.Since(began); waited > 0 {
			t.Errorf("the next node waited %v", waited)
		}
	})
}

// A node keeps its lease for as long as it works, however long that takes.
func TestLongWorkKeepsTheLease(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var two notes
		one := notes{fail: func(ctx context.Context, _ []string) error {
			select {
			case <-time.After(20 * term):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}}
		b.addApp("a")
		b.say("a", "c:1")
		_, stop := b.node("one", b.store, one.follower("f"))
		defer stop()
		synctest.Wait()
		r, stopTwo := b.node("two", b.store, two.follower("f"))
		defer stopTwo()
		time.Sleep(21 * term)
		one.expect(t, "a/c:1")
		two.expect(t, "")
		if err := r.Replay(t.Context(), "a", "f", 1); !errors.Is(err, follow.ErrNotHere) {
			t.Errorf("a node without the lease replays: %v", err)
		}
	})
}

// cut is a node's way to the store, which can be cut.
func cut(st store.Store, away *atomic.Bool) store.Store {
	return faulty.New(st, func(faulty.Call) error {
		if away.Load() {
			return store.ErrUnavailable
		}
		return nil
	})
}

// A node that cannot reach the store stops before another begins, and the other goes on with its events.
func TestACutOffNodeStopsBeforeTheNextBegins(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var away atomic.Bool
		var stopped, began atomic.Int64
		start := time.Now()
		one := notes{fail: func(ctx context.Context, _ []string) error {
			<-ctx.Done()
			stopped.Store(int64(time.Since(start)))
			return ctx.Err()
		}}
		two := notes{fail: func(context.Context, []string) error { began.Store(int64(time.Since(start))); return nil }}
		b.addApp("a")
		b.say("a", "c:1", "c:2")
		_, stop := b.node("one", cut(b.store, &away), one.follower("f"))
		synctest.Wait()
		_, stopTwo := b.node("two", b.store, two.follower("f"))
		defer stopTwo()
		time.Sleep(5 * term)
		away.Store(true)
		time.Sleep(2 * term)
		two.expect(t, "a/c:1 a/c:2")
		if stopped.Load() == 0 || stopped.Load() > began.Load() {
			t.Errorf("one stopped after %v, two began after %v", time.Duration(stopped.Load()), time.Duration(began.Load()))
		}
		away.Store(false)
		stop()
	})
}

// A frozen node that goes on after another took over cannot write any more.
func TestTheFenceLetsOneThrough(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var away atomic.Bool
		frozen := make(chan struct{})
		one := notes{fail: func(context.Context, []string) error { <-frozen; return nil }}
		var two notes
		b.addApp("a")
		b.say("a", "c:1")
		_, stop := b.node("one", cut(b.store, &away), one.follower("f"))
		defer stop()
		synctest.Wait()
		_, stopTwo := b.node("two", b.store, two.follower("f"))
		defer stopTwo()
		away.Store(true) // as if all of it stood still
		time.Sleep(2 * term)
		two.expect(t, "a/c:1")
		last := b.say("a", "c:2", "c:3")
		two.expect(t, "a/c:2 a/c:3")

		one.fail = nil
		away.Store(false)
		close(frozen)
		synctest.Wait()
		if got := b.position("a", "f"); got != last {
			t.Errorf("position %d, want %d", got, last)
		}
		if !strings.Contains(b.log.String(), "lost the lease") {
			t.Errorf("log: %s", b.log)
		}
		b.say("a", "c:4")
		two.expect(t, "a/c:4")
		one.expect(t, "a/c:1")
	})
}

// What a former holder writes is refused in the transaction that writes it.
func TestALateWriteIsRefused(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.addApp("a")
		position := b.say("a", "c:1")
		late := follow.ClaimOf(b.store, "a", "f", "one")
		b.must(late.Take(t.Context()))
		b.must(late.Save(t.Context(), position))
		next := follow.ClaimOf(b.store, "a", "f", "two")
		b.must(next.Take(t.Context()))
		if err := late.Save(t.Context(), 99); !errors.Is(err, follow.ErrFenced) {
			t.Errorf("a late write: %v", err)
		}
		if err := late.Renew(t.Context()); !errors.Is(err, follow.ErrFenced) {
			t.Errorf("a late renewal: %v", err)
		}
		b.must(next.Save(t.Context(), position))
		if got := b.position("a", "f"); got != position {
			t.Errorf("position %d, want %d", got, position)
		}

		// The same node, started again, is another holder.
		again := follow.ClaimOf(b.store, "a", "f", "two")
		b.must(again.Take(t.Context()))
		if err := next.Save(t.Context(), 99); !errors.Is(err, follow.ErrFenced) {
			t.Errorf("a write of a former process: %v", err)
		}
	})
}

// Of several nodes that find a lease free one takes it, and the others see that.
func TestOneOfTwoTakesALease(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.addApp("a")
		one, two := follow.ClaimOf(b.store, "a", "f", "one"), follow.ClaimOf(b.store, "a", "f", "two")
		for range 2 { // where there is no record yet, and where there is one
			b.must(one.Look(t.Context()))
			b.must(two.Look(t.Context()))
			if taken, err := one.TakeSeen(t.Context()); !taken || err != nil {
				t.Errorf("the first: %v, %v", taken, err)
			}
			if taken, err := two.TakeSeen(t.Context()); taken || err != nil {
				t.Errorf("the second: %v, %v", taken, err)
			}
		}
	})
}

// A holder that was idle for long has the whole term to begin with an event.
func TestIdleTimeDoesNotCostTheLease(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var away atomic.Bool
		var one, two notes
		b.addApp("a")
		_, stop := b.node("one", cut(b.store, &away), one.follower("f"))
		defer stop()
		synctest.Wait()
		_, stopTwo := b.node("two", b.store, two.follower("f"))
		defer stopTwo()
		time.Sleep(10 * term)
		away.Store(true)
		b.say("a", "c:1")
		time.Sleep(follow.DefaultLease / 2)
		away.Store(false)
		time.Sleep(10 * term)
		one.expect(t, "a/c:1")
		two.expect(t, "")
	})
}

// Nothing of a follower comes back under an app instance that is gone.
func TestADeletedAppInstanceStaysEmpty(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.addApp("a")
		claim := follow.ClaimOf(b.store, "a", "f", "one")
		b.must(claim.Take(t.Context()))
		b.removeApp("a")
		b.must(b.store.Update(t.Context(), "a", func(tx store.Tx) error { return store.Followings.DeletePrefix(tx, store.K("a")) }))
		if err := claim.Save(t.Context(), 1); !errors.Is(err, follow.ErrFenced) {
			t.Errorf("a write to an app instance that is gone: %v", err)
		}
		if err := claim.Take(t.Context()); err == nil {
			t.Error("the lease was taken in an app instance that is gone")
		}
		b.must(b.store.View(t.Context(), "a", func(r store.Reader) error {
			return store.Followings.Each(r, store.Range{}, func(store.Key, chime.Following) (bool, error) {
				t.Error("there is a record")
				return true, nil
			})
		}))
	})
}

func TestWatchTrustsItsOwnClockAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w follow.Watch
		lease := chime.Lease{Holder: "one", Fence: 1}
		expired := func(want bool) {
			t.Helper()
			if got := w.Expired(lease, time.Minute); got != want {
				t.Errorf("expired %v, want %v", got, want)
			}
		}
		expired(false)
		time.Sleep(59 * time.Second)
		expired(false)
		lease.Renewals++
		expired(false)
		time.Sleep(59 * time.Second)
		expired(false)
		time.Sleep(time.Second)
		expired(true)
		lease.Fence++
		expired(false)
	})
}
