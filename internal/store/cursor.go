package store

import (
	"context"
	"sort"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Follow opens a cursor over the events after the position, or answers ErrTrimmed.
func (f *Feed) Follow(after uint64) (Cursor, error) {
	f.mu.Lock()
	_, here := f.from(after)
	closed := f.closed
	f.mu.Unlock()
	if closed {
		return nil, ErrUnavailable
	}
	if !here {
		if _, err := f.read(after, 1); err != nil {
			return nil, err
		}
	}
	return &feedCursor{feed: f, after: after}, nil
}

// feedCursor reads what the feed has in memory, and the log while it lags behind that.
type feedCursor struct {
	feed  *Feed
	after uint64 // position of the latest event handed out
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
	for len(events) == 0 && wake == nil && err == nil {
		var published uint64
		if events, wake, published, err = c.fromMemory(); err == nil && published > 0 {
			events, err = c.fromLog(published)
		}
	}
	if len(events) > 0 {
		c.after = events[len(events)-1].Position
	}
	return events, wake, err
}

// fromMemory returns what the feed has. When that is not all that follows, published is the position up to
// which the log has it.
func (c *feedCursor) fromMemory() (events []*chime.Event, wake <-chan struct{}, published uint64, err error) {
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil, 0, ErrUnavailable
	}
	ring, here := f.from(c.after)
	switch {
	case !here:
		return nil, nil, f.last, nil
	case len(ring) == 0:
		f.waited = true
		return nil, f.wake, 0, nil
	}
	return append(events, ring[:min(len(ring), feedBatch)]...), nil, 0, nil // the ring moves
}

// fromLog reads on from disk, but no further than what was published: the log may already
// hold events whose commit is not on disk yet. Without any, the cursor is where they end.
func (c *feedCursor) fromLog(published uint64) ([]*chime.Event, error) {
	events, err := c.feed.read(c.after, feedBatch)
	if err != nil {
		return nil, err
	}
	n := sort.Search(len(events), func(i int) bool { return events[i].Position > published })
	if n == 0 {
		c.after = published // a log has gaps up to its Base
	}
	return events[:n], nil
}

// from returns the events after the position. It reports false when they are not all in memory.
func (f *Feed) from(after uint64) (events []*chime.Event, here bool) {
	switch {
	case after >= f.last:
		return nil, true
	case len(f.ring) == 0 || f.ring[0].Position > after+1:
		return nil, false
	}
	return f.ring[after+1-f.ring[0].Position:], true
}
