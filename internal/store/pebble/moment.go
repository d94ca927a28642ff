package pebble

import (
	"sync"
	"sync/atomic"

	crdb "github.com/cockroachdb/pebble/v2"
)

// moment is what the store has at one time, for the Views that begin before the next commit. They share
// it because to make and close a snapshot costs as much as several reads: the engine looks for
// compactions when one is closed.
type moment struct {
	snapshot *crdb.Snapshot
	commits  uint64       // number of the latest commit in it
	users    atomic.Int32 // Views, and moments while it is the latest
}

// release is called once by each user.
func (m *moment) release() {
	if m.users.Add(-1) == 0 {
		_ = m.snapshot.Close() // it knows no error
	}
}

// moments keeps the latest moment. The zero value has none.
type moments struct {
	mu     sync.Mutex
	latest *moment
}

// now returns a moment with every commit that was applied before the call. The caller releases it.
func (s *Store) now() (*moment, error) {
	s.moments.mu.Lock()
	defer s.moments.mu.Unlock()
	visible := s.visible.Load()
	m := s.moments.latest
	if m == nil || m.commits < visible {
		fresh, err := s.newMoment(visible)
		if err != nil {
			return nil, err
		}
		if m != nil {
			m.release()
		}
		m, s.moments.latest = fresh, fresh
	}
	m.users.Add(1)
	return m, nil
}

// newMoment takes a snapshot when at least the visible commits are applied.
func (s *Store) newMoment(visible uint64) (*moment, error) {
	m := &moment{snapshot: s.db.NewSnapshot(), commits: visible}
	m.users.Store(1)
	if s.applied.Load() == visible {
		return m, nil
	}

	// A commit is under way, and may be in it.
	last, err := readLast(m.snapshot)
	if err != nil {
		m.release()
		return nil, err
	}
	m.commits = last.commits
	return m, nil
}

// drop forgets the latest moment when it is older than the visible commit, so that the engine does not
// keep for it what later commits replaced.
func (c *moments) drop(visible uint64) {
	c.mu.Lock()
	m := c.latest
	if m == nil || m.commits >= visible {
		c.mu.Unlock()
		return
	}
	c.latest = nil
	c.mu.Unlock()
	m.release()
}
