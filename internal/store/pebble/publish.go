package pebble

import (
	"fmt"
	"sync"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// commit is what is to be published when it is on disk.
type commit struct {
	number    uint64
	app       string
	events    []chime.Event
	rewritten []*chime.Event // of those before
	trimmed   uint64
	restored  uint64 // where the log ends that was restored; there are no events then
}

// end is where the log ends with the commit, zero when that does not move it.
func (c *commit) end() uint64 {
	if n := len(c.events); n > 0 {
		return c.events[n-1].Position
	}
	return c.restored
}

// putEvents writes the events into a batch, but for those that were trimmed by the transaction that
// appended them.
func (c *commit) putEvents(b *crdb.Batch) error {
	kept := c.events
	for len(kept) > 0 && kept[0].Position <= c.trimmed {
		kept = kept[1:]
	}
	return store.EncodeEvents(c.app, kept, func(key store.Key, value []byte) error {
		return b.Set(path(store.TableEvents, key), value, nil)
	})
}

// queue holds commits in their order.
type queue struct {
	mu   sync.Mutex
	list []commit
}

func (q *queue) push(list []commit) {
	q.mu.Lock()
	q.list = append(q.list, list...)
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
		s.feeds.Rewrite(c.app, c.rewritten)
		if end := c.end(); end > 0 {
			s.ends.published(c.app, end)
			s.feeds.Publish(c.app, c.events)
		}
		if c.trimmed > 0 {
			s.feeds.Trim(c.app, c.trimmed)
		}
	}
	s.durable.Store(upTo)
	s.durableCond.all()
}
