package follow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/cluster"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// term is longer than it takes a node to take over from one that dies, and shorter than two leases.
const term = cluster.DefaultLease + cluster.DefaultLease/2

func TestOneNodeWorksAtATime(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var one, two notes
		b.addApp("a")
		_, _, stop := b.member("one", one.follower("f"))
		defer stop()
		synctest.Wait()
		_, _, stopTwo := b.member("two", two.follower("f"))
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
		_, _, stop := b.member("one", one.follower("f"))
		time.Sleep(100 * term)
		stop()
		began := time.Now()
		_, _, stopTwo := b.member("two", two.follower("f"))
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
		_, _, stop := b.member("one", one.follower("f"))
		defer stop()
		synctest.Wait()
		r, _, stopTwo := b.member("two", two.follower("f"))
		defer stopTwo()
		time.Sleep(21 * term)
		one.expect(t, "a/c:1")
		two.expect(t, "")
		if err := r.Replay(t.Context(), "a", "f", 1); !errors.Is(err, follow.ErrNotHere) {
			t.Errorf("a node without the lease replays: %v", err)
		}
	})
}

// A node that cannot reach the store stops before another begins, and the other goes on with its events.
func TestACutOffNodeStopsBeforeTheNextBegins(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
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
		_, node, stop := b.member("one", one.follower("f"))
		synctest.Wait()
		_, _, stopTwo := b.member("two", two.follower("f"))
		defer stopTwo()
		time.Sleep(5 * term)
		node.Away.Store(true)
		time.Sleep(2 * term)
		two.expect(t, "a/c:1 a/c:2")
		if stopped.Load() == 0 || stopped.Load() > began.Load() {
			t.Errorf("one stopped after %v, two began after %v", time.Duration(stopped.Load()), time.Duration(began.Load()))
		}
		node.Away.Store(false)
		stop()
	})
}

// A frozen node that goes on after another took over cannot write any more.
func TestTheFenceLetsOneThrough(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		frozen := make(chan struct{})
		one := notes{fail: func(context.Context, []string) error { <-frozen; return nil }}
		var two notes
		b.addApp("a")
		b.say("a", "c:1")
		_, node, stop := b.member("one", one.follower("f"))
		defer stop()
		synctest.Wait()
		_, _, stopTwo := b.member("two", two.follower("f"))
		defer stopTwo()
		node.Away.Store(true) // as if all of it stood still
		time.Sleep(2 * term)
		two.expect(t, "a/c:1")
		last := b.say("a", "c:2", "c:3")
		two.expect(t, "a/c:2 a/c:3")

		one.fail = nil
		node.Away.Store(false)
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
		b.must(next.Save(t.Context(), position))
		if got := b.position("a", "f"); got != position {
			t.Errorf("position %d, want %d", got, position)
		}

		// The same node, started again, is another holder.
		again := follow.ClaimOf(b.store, "a", "f", "two/2")
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
		for _, names := range [][2]string{{"one", "two"}, {"three", "four"}} { // where there is no record yet, and where there is one
			one, two := follow.ClaimOf(b.store, "a", "f", names[0]), follow.ClaimOf(b.store, "a", "f", names[1])
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
		var one, two notes
		b.addApp("a")
		_, node, stop := b.member("one", one.follower("f"))
		defer stop()
		synctest.Wait()
		_, _, stopTwo := b.member("two", two.follower("f"))
		defer stopTwo()
		time.Sleep(10 * term)
		node.Away.Store(true)
		b.say("a", "c:1")
		time.Sleep(cluster.DefaultLease / 2)
		node.Away.Store(false)
		time.Sleep(10 * term)
		if got := one.take(); !strings.HasPrefix(got, "a/c:1") { // again where its position could not be written
			t.Errorf("handled %q", got)
		}
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

// What a follower writes is refused when another node has taken its lease, and its work ends.
func TestEffectsOfAFormerHolderAreRefused(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		effect := func(ctx context.Context, tx store.Tx) error {
			if err := follow.Check(ctx, tx); err != nil {
				return err
			}
			_, err := store.AddCount(tx, store.K("a", "effects"), 1)
			return err
		}
		frozen := make(chan struct{})
		var late atomic.Value
		one := notes{fail: func(ctx context.Context, _ []string) error {
			<-frozen
			err := b.store.Update(context.WithoutCancel(ctx), "a", func(tx store.Tx) error { return effect(ctx, tx) })
			late.Store(err)
			return err
		}}
		two := notes{fail: func(ctx context.Context, _ []string) error {
			return b.store.Update(ctx, "a", func(tx store.Tx) error { return effect(ctx, tx) })
		}}
		b.addApp("a")
		b.say("a", "c:1")
		_, node, stop := b.member("one", one.follower("f"))
		defer stop()
		synctest.Wait()
		_, _, stopTwo := b.member("two", two.follower("f"))
		defer stopTwo()
		node.Away.Store(true)
		time.Sleep(2 * term)
		two.expect(t, "a/c:1")
		node.Away.Store(false)
		close(frozen)
		time.Sleep(term)
		if err, _ := late.Load().(error); !errors.Is(err, follow.ErrFenced) {
			t.Errorf("a late write: %v", err)
		}
		one.expect(t, "")
		var effects uint64
		b.must(b.store.View(t.Context(), "a", func(r store.Reader) (err error) {
			effects, _, err = store.Counts.Get(r, store.K("a", "effects"))
			return err
		}))
		if effects != 1 {
			t.Errorf("%d effects", effects)
		}
	})
}

// A node that has the store for itself writes its leases once: neither idle time nor a stop or a start is a
// commit.
func TestALoneNodeWritesNoLease(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var updates atomic.Int64
		st := counting(b.store, &updates)
		b.addApp("a")
		b.addApp("b")
		for i := range 3 {
			var n notes
			_, stop := b.node("one", st, n.follower("f"), n.follower("g"))
			synctest.Wait()
			time.Sleep(100 * term)
			stop()
			if n := updates.Swap(0); i > 0 && n != 0 {
				t.Errorf("run %d is %d commits", i, n)
			}
		}
	})
}

// What a node holds that dies goes to those that live. When it is back each event is handled by one.
func TestOthersTakeOverFromANodeThatDies(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var one, two, again notes
		apps := []string{"a", "b", "c"}
		for _, app := range apps {
			b.addApp(app)
		}
		_, node, stop := b.member("one", one.follower("f"))
		synctest.Wait()
		_, _, stopTwo := b.member("two", two.follower("f"))
		defer stopTwo()
		for _, app := range apps {
			b.say(app, "c:1")
			one.expect(t, app+"/c:1")
		}
		node.Kill()
		stop()
		for _, app := range apps {
			b.say(app, "c:2")
		}
		two.expect(t, "")
		time.Sleep(term)
		if got := strings.Fields(two.take()); len(got) != len(apps) {
			t.Errorf("taken over: %q", got)
		}

		_, _, stopAgain := b.member("one", again.follower("f"))
		defer stopAgain()
		time.Sleep(10 * term)
		for _, app := range apps {
			b.say(app, "c:3")
		}
		if got := strings.Fields(two.take() + " " + again.take()); len(got) != len(apps) {
			t.Errorf("handled %q", got)
		}
	})
}

// Nodes come to share the app instances, each of which moves while nothing is to be done in it, and no event is
// handled twice for that.
func TestNodesShareTheWork(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var one, two notes
		var apps []string
		for i := range 16 {
			apps = append(apps, fmt.Sprint("app-", i))
			b.addApp(apps[i])
		}
		_, _, stop := b.member("one", one.follower("f"))
		defer stop()
		synctest.Wait()
		_, _, stopTwo := b.member("two", two.follower("f"))
		defer stopTwo()
		say := func() (first, second int) {
			for _, app := range apps {
				b.say(app, "c:1")
			}
			first, second = len(strings.Fields(one.take())), len(strings.Fields(two.take()))
			if first+second != len(apps) {
				t.Errorf("%d events were handled on one node and %d on the other, of %d", first, second, len(apps))
			}
			return first, second
		}
		if _, second := say(); second != 0 {
			t.Errorf("the second node handles %d before the first had nothing to do", second)
		}
		time.Sleep(5 * time.Minute)
		first, second := say()
		if first < 3 || second < 3 {
			t.Errorf("%d on one, %d on the other", first, second)
		}

		// It stays so, and a node that comes late leaves busy ones where they are.
		for range 100 {
			time.Sleep(4 * time.Second)
			if again, _ := say(); again != first {
				t.Errorf("%d on one, %d before", again, first)
			}
		}
	})
}

// What has to be done meanwhile keeps a follower where it is.
func TestABusyFollowerDoesNotMove(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var one, two notes
		for i := range 8 {
			b.addApp(fmt.Sprint("app-", i))
		}
		_, _, stop := b.member("one", one.follower("f"))
		defer stop()
		synctest.Wait()
		_, _, stopTwo := b.member("two", two.follower("f"))
		defer stopTwo()
		for range 60 {
			for i := range 8 {
				b.say(fmt.Sprint("app-", i), "c:1")
			}
			time.Sleep(10 * time.Second)
		}
		if got := two.take(); got != "" {
			t.Errorf("moved: %s", got)
		}
	})
}
