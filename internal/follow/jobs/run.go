package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Run does tasks that are left from a former run, failed, or were left by other nodes, until ctx
// ends. Then it returns nil.
func (q *Queue) Run(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	for _, e := range q.ensured {
		working.Go(func() { q.insist(ctx, e) })
	}

	slots := make(chan struct{}, q.o.AtOnce)
	for former := true; ctx.Err() == nil; former = false {
		changed := q.o.Nodes.Changed() // from before the look
		ready, next, err := q.ready(ctx, former)
		if err != nil && ctx.Err() == nil {
			q.o.Log.Error("jobs: cannot look for tasks, will retry", "error", err, "after", q.o.Interval)
		}
		for _, task := range ready {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			working.Go(func() {
				_ = q.doLeft(ctx, task) // it was logged, and is tried again
				<-slots
				q.wakeUp()
			})
		}
		q.wait(ctx, next, changed)
	}
	return nil
}

// insist does ensured work until it succeeds.
func (q *Queue) insist(ctx context.Context, e ensured) {
	q.o.Backoff.Insist(ctx, func() error { return e.work(ctx) }, func(err error, failures int, wait time.Duration) {
		q.o.Log.Warn("jobs: work failed, will retry", "work", e.name, "attempts", failures, "error", err, "after", wait)
	})
}

// wait waits until there may be something to do: at the time, at the next look, or when woken, also by the
// end of another node.
func (q *Queue) wait(ctx context.Context, next time.Time, changed <-chan struct{}) {
	wait := q.o.Interval
	if !next.IsZero() {
		wait = min(wait, max(0, time.Until(next)))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-q.wake:
	case <-changed:
	case <-timer.C:
	}
}

// TryAll tries every task that was left to this node once, whatever its wait. Tests use it in the place
// of Run.
func (q *Queue) TryAll(ctx context.Context) error {
	ready, _, err := q.ready(ctx, true)
	failed := []error{err}
	for _, task := range ready {
		if err := q.doLeft(ctx, task); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", task.Kind, err))
		}
	}
	return errors.Join(failed...)
}

// ready lists the tasks that this node may do now, and when the first of the others has its turn.
// former adds those that a former process of this node left, and has no task wait.
func (q *Queue) ready(ctx context.Context, former bool) (ready []chime.Task, next time.Time, err error) {
	listed, gone, err := q.list(ctx)
	if err != nil {
		return nil, next, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forget(listed)

	var whole string // app instance whose own task comes before those under it
	for _, task := range listed {
		if q.kinds[task.Kind] == nil || task.App == whole {
			continue
		}
		if task.Ref == "" {
			whole = task.App
		}
		s := q.state(idOf(task))
		switch turn := q.turn(s, task.Lease, former, gone); {
		case s.running > 0:
		case turn.After(time.Now()): // of another node, or of a caller that is about to begin
			next = earlier(next, turn)
		case !former && time.Now().Before(s.next):
			next = earlier(next, s.next)
		default:
			ready = append(ready, task)
		}
	}
	return ready, next, nil
}

// turn is when this node may do a task: at once when the task is free or its node is gone, and after a
// while when it is left to a caller of this node. Another node's has to be looked at again.
func (q *Queue) turn(s *state, lease chime.Lease, former bool, gone map[string]bool) time.Time {
	if lease != s.seen || s.since.IsZero() {
		s.seen, s.since = lease, time.Now()
	}
	switch {
	case lease.Holder == q.o.Nodes.Name():
		if former || s.failures > 0 {
			return time.Time{}
		}
		return s.since.Add(q.o.Patience)
	case lease.Holder == "" || gone[lease.Holder]:
		return time.Time{}
	}
	return time.Now().Add(q.o.Interval)
}

// list reads the tasks, and which of the nodes that have them are gone.
func (q *Queue) list(ctx context.Context) (tasks []chime.Task, gone map[string]bool, err error) {
	err = q.o.Store.View(ctx, "", func(r store.Reader) error {
		tasks, gone = nil, map[string]bool{}
		return store.Tasks.Each(r, store.Range{}, func(_ store.Key, task chime.Task) (_ bool, err error) {
			tasks = append(tasks, task)
			if _, known := gone[task.Lease.Holder]; !known {
				gone[task.Lease.Holder], err = q.o.Nodes.Gone(r, task.Lease.Holder)
			}
			return true, err
		})
	})
	return tasks, gone, err
}

// forget drops what is known of tasks that are gone. The caller holds q.mu.
func (q *Queue) forget(there []chime.Task) {
	left := make(map[id]bool, len(there))
	for _, task := range there {
		left[idOf(task)] = true
	}
	for i, s := range q.tasks {
		if s.running == 0 && !left[i] {
			delete(q.tasks, i)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// doLeft takes the lease of a task, unless it changed since it was listed, and does it.
func (q *Queue) doLeft(ctx context.Context, listed chime.Task) error {
	task, taken, err := q.take(ctx, listed)
	if err != nil {
		q.began(listed)
		q.ended(ctx, listed, err)
		return err
	}
	if !taken {
		return nil
	}
	return q.Do(ctx, task)
}

func (q *Queue) take(ctx context.Context, listed chime.Task) (task chime.Task, taken bool, err error) {
	err = q.o.Store.Update(ctx, listed.App, func(tx store.Tx) error {
		current, found, err := Find(tx, listed.App, listed.Ref)
		if err != nil {
			return err
		}
		if taken = found && current == listed; !taken {
			return nil
		}
		task = current
		task.Lease = chime.Lease{Holder: q.o.Nodes.Name(), Fence: current.Lease.Fence + 1}
		return store.Tasks.Put(tx, idOf(task).key(), task)
	})
	return task, taken, err
}
