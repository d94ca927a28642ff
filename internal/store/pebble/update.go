package pebble

import (
	"context"
	"sync"

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

	m, err := s.now()
	if err != nil {
		return err
	}
	err = func() error {
		defer m.release()
		return f(&reader{from: m.snapshot, app: app, ends: s.ends, cache: s.cache, versions: s.versions, commits: m.commits})
	}()

	// What it saw may not be on disk yet.
	if lost := s.await(ctx, m.commits); lost != nil {
		return lost
	}
	return err
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
