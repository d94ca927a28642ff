package store

import (
	"context"
	"sort"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Follow opens a cursor over the events after the position, or answers ErrTrimmed. Ephemeral events
// that were published before are handed out only where they lie between later events still in memory.
func (f *Feed) Follow(after uint64) (Cursor, error) {
	c := &feedCursor{feed: f, after: after}
	f.mu.Lock()
	closed := f.closed
	if after >= f.last { // live from here on
		c.live, c.next = true, f.first+uint64(len(f.ring))
	} else {
		c.live = c.find()
	}
	f.mu.Unlock()
	if closed {
		return nil, ErrUnavailable
	}
	if c.live {
		return c, nil
	}
	if _, err := f.read(after, 1); err != nil {
		return nil, err
	}
	return c, nil
}

// feedCursor reads the ring while it is live, and the log while it is behind the ring.
type feedCursor struct {
	feed   *Feed
	after  uint64 // position of the latest event handed out
	live   bool   // next is meaningful
	next   uint64 // number of the next publication to hand out
	behind bool   // it has been behind the ring, so nothing in the ring was handed out yet
}

func (c *feedCursor) Next(ctx context.Context) ([]*chime.Event, error) {
	for {
		events, wake, err := c.Poll()
		if err != nil || len(events) > 0 {
			return events, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *feedCursor) Close() {}

// Poll implements Cursor.
func (c *feedCursor) Poll() (events []*chime.Event, wake <-chan struct{}, err error) {
	f := c.feed
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, nil, ErrUnavailable
	}
	if c.live && c.next < f.first {
		c.live, c.behind = false, true // the log has what was missed
	}
	if !c.live {
		c.live = c.find()
	}
	if c.live {
		events = c.fromRing()
		if len(events) == 0 {
			f.waited, wake = true, f.wake
		}
		f.mu.Unlock()
		return events, wake, nil
	}
	published := f.last
	f.mu.Unlock()
	events, err = c.fromLog(published)
	return events, nil, err
}

// find looks for the cursor's place in the ring.
func (c *feedCursor) find() bool {
	ring := c.feed.ring
	i := sort.Search(len(ring), func(i int) bool { return ring[i].Position > c.after })
	held := i > 0 || c.after >= c.feed.last // else the ring begins after the cursor
	if !held && len(ring) > 0 {
		held = !ring[0].Ephemeral && ring[0].Position == c.after+1
	}
	if !held {
		return false
	}
	for c.behind && i > 0 && ring[i-1].Ephemeral && ring[i-1].Position == c.after {
		i--
	}
	c.next = c.feed.first + uint64(i)
	return true
}

func (c *feedCursor) fromRing() (events []*chime.Event) {
	for _, e := range c.feed.ring[c.next-c.feed.first:] {
		if len(events) == feedBatch {
			break
		}
		c.next++
		if e.Ephemeral || e.Position > c.after { // not so when the cursor began beyond the end
			events = append(events, e)
			c.after = max(c.after, e.Position)
		}
	}
	return events
}

// fromLog reads on from disk, but no further than what was published: the log may already
// hold events whose commit is not on disk yet.
func (c *feedCursor) fromLog(published uint64) ([]*chime.Event, error) {
	events, err := c.feed.read(c.after, feedBatch)
	if err != nil {
		return nil, err
	}
	n := sort.Search(len(events), func(i int) bool { return events[i].Position > published })
	if n > 0 {
		c.after = events[n-1].Position
	}
	c.behind = true
	return events[:n], nil
}
