package store

import (
	"slices"
	"sort"
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Feed is the live end of one log, kept in memory: engines publish committed events into it and
// cursors read from it, falling back to the engine's log when they lag. It promises every cursor the
// events of the log in their order, whatever publications are lost, come twice or come late, and
// that no cursor is handed content after the event that removed it was published.
type Feed struct {
	read func(after uint64, limit int) ([]*chime.Event, error)

	mu     sync.Mutex
	ring   []*chime.Event // the latest events, oldest first and without gaps
	bytes  int            // of the payloads in the ring
	last   uint64         // position of the latest event
	wake   chan struct{}  // closed when there is more to read
	waited bool           // a cursor may wait on wake
	closed bool
}

// The ring is cut back to these bounds once it exceeds them by a quarter.
const (
	feedSize  = 8192     // events kept in memory
	feedBytes = 32 << 20 // of their payloads
	feedBatch = 512      // events handed out at once
)

// NewFeed is a feed whose log ends at position last. read returns up to limit events after a
// position from the engine's log, in order and nothing when it holds none.
func NewFeed(last uint64, read func(after uint64, limit int) ([]*chime.Event, error)) *Feed {
	f := newFeed(read)
	f.Begin(last)
	return f
}

// newFeed is a feed that takes what is published, whose log ends where Begin will say.
func newFeed(read func(after uint64, limit int) ([]*chime.Event, error)) *Feed {
	return &Feed{read: read, wake: make(chan struct{})}
}

// Begin says where the log ended at a moment after the feed was made.
func (f *Feed) Begin(last uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = max(f.last, last)
}

// Publish adds events that are on disk. The feed keeps them. Those that it has had are dropped; when
// some before them are missing, cursors read those from the log.
func (f *Feed) Publish(events []chime.Event) {
	if len(events) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}

	// The ring has no gaps: what is before one is read from the log.
	for i := range events {
		e := &events[i]
		switch {
		case e.Position <= f.last:
			continue
		case e.Position > f.last+1:
			f.drop(len(f.ring))
		}
		if e.Removes() {
			f.withdraw(e)
		}
		f.last = e.Position
		f.bytes += len(e.Payload)
		f.ring = append(f.ring, e)
	}

	if len(f.ring) > feedSize*5/4 || f.bytes > feedBytes*5/4 {
		f.cut()
	}
	if f.waited {
		close(f.wake)
		f.wake, f.waited = make(chan struct{}), false
	}
}

// withdraw takes away the payloads of events before one that removes their content. The events are
// shared with their readers, so copies replace them.
func (f *Feed) withdraw(by *chime.Event) {
	for i, e := range f.ring {
		if e.Payload != nil && by.Withdraws(e) {
			bare := *e
			bare.Payload = nil
			f.ring[i] = &bare
			f.bytes -= len(e.Payload)
		}
	}
}

// Rewrite puts events in the place of those with their positions, which the log no longer has. The former
// ones are shared with their readers and stay as they were.
func (f *Feed) Rewrite(events []*chime.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		if len(f.ring) == 0 || e.Position < f.ring[0].Position || e.Position > f.last {
			continue
		}
		at := &f.ring[e.Position-f.ring[0].Position]
		f.bytes += len(e.Payload) - len((*at).Payload)
		*at = e
	}
}

// Trim forgets the events up to and including the position, which the log no longer holds.
func (f *Feed) Trim(upTo uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := sort.Search(len(f.ring), func(i int) bool { return f.ring[i].Position > upTo })
	f.drop(n)
}

// forget leaves all events to the log.
func (f *Feed) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(len(f.ring))
}

// cut brings the ring back to its bounds; it is done in strides because it moves the rest.
func (f *Feed) cut() {
	n := max(0, len(f.ring)-feedSize)
	kept := f.bytes
	for _, e := range f.ring[:n] {
		kept -= len(e.Payload)
	}
	for ; kept > feedBytes; n++ {
		kept -= len(f.ring[n].Payload)
	}
	f.drop(n)
}

func (f *Feed) drop(n int) {
	for _, e := range f.ring[:n] {
		f.bytes -= len(e.Payload)
	}
	f.ring = slices.Delete(f.ring, 0, n)
}

// Last is the position of the latest published event.
func (f *Feed) Last() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// Close ends every cursor with ErrUnavailable.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.wake)
	}
}
