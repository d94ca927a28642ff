package jobs_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/cluster"
	"github.com/carillon-chat/carillon/internal/cluster/clustertest"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAway = errors.New("away")

// bed is a store with tasks, in virtual time.
type bed struct {
	t     *testing.T
	store store.Store
	mu    sync.Mutex
	done  []string // "node app subject" of each attempt
	log   clustertest.Log
}

func inBed(t *testing.T, test func(t *testing.T, b *bed)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bed{t: t, store: memstore.New()}
		defer b.store.Close()
		test(t, b)
	})
}

// note notes an attempt.
func (b *bed) note(node string, task chime.Task) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = append(b.done, strings.TrimSpace(node+" "+task.App+" "+string(task.Ref)))
}

func (b *bed) expect(want ...string) {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.done, want) {
		b.t.Errorf("attempts %q, want %q", b.done, want)
	}
	b.done = nil
}

// expectAll is expect for attempts in any order.
func (b *bed) expectAll(want ...string) {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	slices.Sort(b.done)
	b.mu.Unlock()
	b.expect(want...)
}

// queue is one whose tasks of kind "work" note that they were tried, and then do work.
func (b *bed) queue(node string, st store.Store, work func(ctx context.Context) error) *jobs.Queue {
	return b.queueAmong(nil, node, st, work)
}

// member is the queue of a node that shares the store with others.
func (b *bed) member(node string, work func(ctx context.Context) error) (*jobs.Queue, *clustertest.Node) {
	n := clustertest.Start(b.t, b.store, node, cluster.Options{})
	return b.queueAmong(n, node, n.Store, work), n
}

func (b *bed) queueAmong(nodes follow.Nodes, node string, st store.Store, work func(ctx context.Context) error) *jobs.Queue {
	q := jobs.New(jobs.Options{Store: st, Nodes: nodes, Log: slog.New(slog.NewTextHandler(&b.log, nil)), Random: rand.Reader})
	q.Register("work", func(ctx context.Context, task chime.Task) error {
		b.note(node, task)
		if work == nil {
			return nil
		}
		return work(ctx)
	})
	return q
}

func (b *bed) enqueue(q *jobs.Queue, app, subject string) (task chime.Task) {
	b.t.Helper()
	err := b.store.Update(b.t.Context(), app, func(tx store.Tx) (err error) {
		task, err = q.Enqueue(tx, chime.Task{Kind: "work", App: app, Ref: chime.Ref(subject)})
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return task
}

func (b *bed) run(q *jobs.Queue) (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error)
	go func() { ended <- q.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
}

// pending is how many tasks are left.
func (b *bed) pending(q *jobs.Queue) jobs.Status {
	b.t.Helper()
	list, err := q.Status(b.t.Context())
	if err != nil || len(list) != 1 {
		b.t.Fatal(list, err)
	}
	return list[0]
}

func TestACallerDoesItsTaskAtOnce(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		q := b.queue("one", b.store, nil)
		defer b.run(q)()
		task := b.enqueue(q, "a", "user/ann")
		if err := q.Do(t.Context(), task); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		b.expect("one a user/ann")
		if s := b.pending(q); s.Pending != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// What a caller could not finish is tried again until it is done, without end.
func TestAFailedTaskIsTriedUntilItIsDone(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var away atomic.Bool
		away.Store(true)
		q := b.queue("one", b.store, func(context.Context) error {
			if away.Load() {
				return errAway
			}
			return nil
		})
		defer b.run(q)()
		task := b.enqueue(q, "a", "user/ann")
		if err := q.Do(t.Context(), task); !errors.Is(err, errAway) {
			t.Errorf("the caller is told %v", err)
		}
		time.Sleep(24 * time.Hour)
		s := b.pending(q)
		if s.Pending != 1 || s.Oldest < 24*time.Hour || s.Failed < 288 || s.Failed > 600 { // every 5 minutes at most, with jitter
			t.Errorf("%+v", s)
		}
		away.Store(false)
		time.Sleep(5 * time.Minute)
		if s := b.pending(q); s.Pending != 0 || s.Oldest != 0 {
			t.Errorf("%+v", s)
		}
		if !strings.Contains(b.log.String(), "away") {
			t.Errorf("log: %s", b.log.String())
		}
	})
}

func TestATaskThatFailsDelaysNoOther(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		q := jobs.New(jobs.Options{Store: b.store, Log: slog.New(slog.DiscardHandler), Random: rand.Reader})
		q.Register("work", func(ctx context.Context, task chime.Task) error {
			switch task.Ref {
			case "user/bad":
				return errAway
			case "user/slow":
				<-ctx.Done()
				return ctx.Err()
			}
			b.note("one", task)
			return nil
		})
		for _, subject := range []string{"user/bad", "user/good", "user/slow", "user/zoe"} {
			b.enqueue(q, "a", subject)
		}
		defer b.run(q)()
		time.Sleep(time.Minute)
		b.expectAll("one a user/good", "one a user/zoe")
	})
}

// What a former process of the node left is done when it starts again.
func TestTasksOutliveTheProcess(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		former := b.queue("one", b.store, nil)
		b.enqueue(former, "a", "user/ann")
		b.enqueue(former, "b", "user/bob")
		defer b.run(b.queue("one", b.store, nil))()
		b.expectAll("one a user/ann", "one b user/bob")
	})
}

// The task of an app instance comes before those under it, which it removes.
func TestTheTaskOfAnAppInstanceComesFirst(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		q := b.queue("one", b.store, func(context.Context) error { return errAway })
		b.enqueue(q, "a", "user/ann")
		b.enqueue(q, "a", "")
		b.enqueue(q, "b", "user/bob")
		if err := q.TryAll(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("got %v", err)
		}
		b.expect("one a", "one b user/bob")
	})
}

func TestALaterTaskOfTheSubjectStays(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var q *jobs.Queue
		again := true
		q = b.queue("one", b.store, func(ctx context.Context) error {
			if !again {
				return nil
			}
			again = false
			return b.store.Update(ctx, "a", func(tx store.Tx) error {
				_, err := q.Enqueue(tx, chime.Task{Kind: "work", App: "a", Ref: "user/ann", Order: 2})
				return err
			})
		})
		if err := q.Do(t.Context(), b.enqueue(q, "a", "user/ann")); err != nil {
			t.Error(err)
		}
		if s := b.pending(q); s.Pending != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// Another node does what a dead one left, and leaves alone what a live one works on.
func TestANodeThatDiedLeavesItsTasks(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		dead, deadNode := b.member("dead", nil)
		alive, aliveNode := b.member("alive", func(ctx context.Context) error {
			select {
			case <-time.After(time.Hour):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		b.enqueue(dead, "a", "user/ann")
		task := b.enqueue(alive, "a", "user/bob")
		working := make(chan error)
		go func() { working <- alive.Do(t.Context(), task) }()
		other, otherNode := b.member("other", nil)
		for _, n := range []*clustertest.Node{aliveNode, otherNode} {
			defer func() { _ = n.Stop() }()
		}
		defer b.run(other)()
		time.Sleep(time.Minute)
		deadNode.Kill()
		time.Sleep(cluster.DefaultLease / 2)
		b.expect("alive a user/bob")
		time.Sleep(50 * time.Minute)
		b.expect("other a user/ann")
		if err := <-working; err != nil {
			t.Error(err)
		}
		b.expect()
	})
}

// A caller that is between its commit and its Do is not overtaken.
func TestACallerThatBeginsIsNotOvertaken(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		q := b.queue("one", b.store, nil)
		defer b.run(q)()
		synctest.Wait()
		task := b.enqueue(q, "a", "user/ann")
		time.Sleep(7 * time.Second)
		b.expect()
		if err := q.Do(t.Context(), task); err != nil {
			t.Error(err)
		}
		b.expect("one a user/ann")

		// One that never comes to it is made up for.
		b.enqueue(q, "a", "user/bob")
		time.Sleep(2 * time.Minute)
		b.expect("one a user/bob")
	})
}

// What a caller works on again after a failure is not begun in the background too.
func TestATaskThatIsWorkedOnIsLeftAlone(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var calls atomic.Int32
		q := b.queue("one", b.store, func(context.Context) error {
			if calls.Add(1) == 1 {
				return errAway
			}
			<-time.After(time.Hour)
			return nil
		})
		defer b.run(q)()
		synctest.Wait() // what a former process left is looked for first
		task := b.enqueue(q, "a", "user/ann")
		if err := q.Do(t.Context(), task); !errors.Is(err, errAway) {
			t.Errorf("got %v", err)
		}
		if err := q.Do(t.Context(), task); err != nil {
			t.Error(err)
		}
		b.expect("one a user/ann", "one a user/ann")
	})
}

func TestACallerThatLeavesLeavesItsTask(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var calls atomic.Int32
		q := b.queue("one", b.store, func(ctx context.Context) error {
			if calls.Add(1) == 1 {
				<-ctx.Done()
			}
			return ctx.Err()
		})
		defer b.run(q)()
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if err := q.Do(ctx, b.enqueue(q, "a", "user/ann")); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
		if s := b.pending(q); s.Pending != 0 || calls.Load() != 2 {
			t.Errorf("%+v after %d calls", s, calls.Load())
		}
	})
}

// A store that refuses changes delays tasks until it accepts them.
func TestARefusingStoreDelaysTasks(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var full atomic.Bool
		refusing := faulty.New(b.store, func(c faulty.Call) error {
			if c.Op == faulty.Update && full.Load() {
				return store.ErrFull
			}
			return nil
		})
		var done atomic.Bool
		q := b.queue("one", refusing, nil)
		q.Ensure("bind", func(context.Context) error {
			if full.Load() {
				return store.ErrFull
			}
			done.Store(true)
			return nil
		})
		b.enqueue(q, "a", "user/ann")
		full.Store(true)
		defer b.run(q)()
		time.Sleep(time.Hour)
		b.expect()
		if done.Load() {
			t.Error("ensured work is done while the store refuses")
		}
		full.Store(false)
		time.Sleep(10 * time.Minute)
		b.expect("one a user/ann")
		if !done.Load() {
			t.Error("ensured work was given up")
		}
	})
}

func TestAKindWithoutWorkIsRefused(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		q := b.queue("one", b.store, nil)
		if err := q.Do(t.Context(), chime.Task{Kind: "odd", App: "a"}); err == nil || !strings.Contains(err.Error(), `"odd"`) {
			t.Errorf("got %v", err)
		}
	})
}
