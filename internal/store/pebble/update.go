package pebble

import (
	"context"
	"fmt"
	"sync"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// View implements store.Store.
func (s *Store) View(ctx context.Context, app string, f func(store.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if s.closed {
		return store.ErrUnavailable
	}

	// What the snapshot shows may not be on disk yet.
	snapshot := s.db.NewSnapshot()
	seen := s.applied.Load() // after the snapshot: at least what is in it
	err := func() error {
		defer snapshot.Close()
		if seen > s.durable.Load() {
			// A commit may be under way that is not in the snapshot, and stay so for long.
			last, err := readLast(snapshot)
			if err != nil {
				return err
			}
			seen = last.commits
		}
		return f(&reader{from: snapshot, app: app, ends: s.ends})
	}()

	if lost := s.await(ctx, seen); lost != nil {
		return lost
	}
	return err
}

// Update implements store.Store. Once f has returned, the end of ctx is ignored.
func (s *Store) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if s.closed {
		return store.ErrUnavailable
	}
	if err := s.health.admit(ctx); err != nil {
		return err
	}
	batch, number, err := s.apply(ctx, app, f)
	if batch == nil {
		if lost := s.await(context.WithoutCancel(ctx), number); lost != nil {
			return lost
		}
		return err
	}
	err = batch.SyncWait()
	if broken := s.health.broken(); broken != nil || err != nil {
		return s.health.unavailable(err)
	}
	s.publish(number)
	return batch.Close()
}

// apply runs f and applies what it wrote. Without a batch nothing was written; number is then
// the latest commit that f could have seen.
func (s *Store) apply(ctx context.Context, app string, f func(store.Tx) error) (_ *crdb.Batch, number uint64, err error) {
	s.write.Lock()
	defer s.write.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if err := s.health.refusal(); err != nil { // since admit
		return nil, 0, err
	}

	b := s.db.NewIndexedBatch()
	t := &tx{reader: reader{from: b, app: app, ends: s.ends}, batch: b, commits: s.commits}
	applied := false
	defer func() {
		if !applied {
			_ = b.Close() // frees memory and knows no error
		}
	}()

	if err := f(t); err != nil || b.Empty() {
		return nil, s.commits, err
	}

	// The commit's number is part of it, so that a gap in the log is noticed.
	number = s.commits + 1
	if err := b.Set(lastKey, last{commits: number}.encode(), nil); err != nil {
		return nil, s.commits, err
	}
	if err := s.disk.take(b.Len()); err != nil {
		return nil, s.commits, err
	}

	// From here the batch belongs to the engine, whatever happens.
	applied = true
	if len(t.events) > 0 {
		s.ends.grew(app, t.at, number) // before a snapshot can have the commit
	}
	s.applied.Store(number)
	if err := s.db.ApplyNoSyncWait(b, crdb.Sync); err != nil {
		return nil, 0, s.health.fail(err)
	}

	s.commits = number
	s.stats.committed(b.Len(), len(t.events))
	s.waiting.push(commit{number, app, t.events, t.trimmed})
	return b, number, nil
}

// commit is what is to be published when it is on disk.
type commit struct {
	number  uint64
	app     string
	events  []chime.Event
	trimmed uint64
}

// queue holds commits in their order.
type queue struct {
	mu   sync.Mutex
	list []commit
}

func (q *queue) push(c commit) {
	q.mu.Lock()
	q.list = append(q.list, c)
	q.mu.Unlock()
}

// take removes all up to the number.
func (q *queue) take(upTo uint64) []commit {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.list) && q.list[n].number <= upTo {
		n++
	}
	taken := q.list[:n:n]
	q.list = q.list[n:]
	return taken
}

// publish makes known that commits up to the number are on disk. The first caller also publishes
// for those whose sync ended meanwhile.
func (s *Store) publish(number uint64) {
	for old := s.synced.Load(); old < number && !s.synced.CompareAndSwap(old, number); {
		old = s.synced.Load()
	}

	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.durable.Load() >= number {
		return
	}

	// The mark first: it must not be behind what a caller has been answered.
	upTo := s.synced.Load()
	if err := s.ackMark.write(upTo); err != nil {
		_ = s.health.fail(fmt.Errorf("%s: %w", ackMarkName, err)) // these commits are safe, no later ones
	}
	for _, c := range s.waiting.take(upTo) {
		if n := len(c.events); n > 0 {
			s.ends.published(c.app, c.events[n-1].Position)
			s.feeds.Publish(c.app, c.events)
		}
		if c.trimmed > 0 {
			s.feeds.Trim(c.app, c.trimmed)
		}
	}
	s.durable.Store(upTo)
	s.durableCond.all()
}

// await waits until the commit is on disk. The Update of that commit is syncing it already.
func (s *Store) await(ctx context.Context, number uint64) error {
	for s.durable.Load() < number {
		durable := s.durableCond.next()
		if s.durable.Load() >= number {
			return nil
		}
		select {
		case <-durable:
		case <-s.health.brokenLog:
			if s.durable.Load() < number {
				return s.health.unavailable(nil)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// wakeup lets any number of goroutines wait for the next call of all.
type wakeup struct {
	mu sync.Mutex
	ch chan struct{} // nil while no goroutine waits
}

func (w *wakeup) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ch == nil {
		w.ch = make(chan struct{})
	}
	return w.ch
}

func (w *wakeup) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ch != nil {
		close(w.ch)
		w.ch = nil
	}
}
