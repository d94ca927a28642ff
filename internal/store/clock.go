package store

import (
	"context"
	"time"
)

// Clock measures store time: how long the store has been open, over all its openings. It never goes
// back or forward in a step, whatever is done to the clock of the machine, so it is what lifetimes
// inside the store are measured by: how long a client request token is remembered, an event kept, a
// key used. It is no time of day and stands still while the store is closed.
//
// A process that dies takes what was not saved with it, so store time may begin anew a little
// earlier than it had come. It never begins before the newest client request token: see OpenClock.
type Clock struct {
	before time.Duration // store time when it was opened
	opened time.Time     // with a monotonic reading, which is all that is used of it
}

// clockKey is where store time is saved, in milliseconds.
var clockKey = K("", "store time")

// OpenClock goes on from the saved store time, or from the beginning of the bucket of the newest
// client request token when that is later: so the buckets of tokens never go back.
func OpenClock(ctx context.Context, s Store) (*Clock, error) {
	var saved, newest uint64
	err := s.View(ctx, "", func(r Reader) (err error) {
		if saved, _, err = Counts.Get(r, clockKey); err != nil {
			return err
		}
		return r.Scan(Replies.ID, Range{Reverse: true}, func(key Key, _ []byte) (bool, error) {
			bucket, _, err := nextColumn(key)
			newest, _ = bucket.(uint64)
			return false, err
		})
	})
	if err != nil {
		return nil, err
	}
	return &Clock{before: time.Duration(max(saved, newest)) * time.Millisecond, opened: time.Now()}, nil
}

// Now is store time. A nil Clock stands still at zero.
func (c *Clock) Now() time.Duration {
	if c == nil {
		return 0
	}
	return c.before + time.Since(c.opened)
}

// Save keeps store time for the next opening.
func (c *Clock) Save(tx Tx) error { return Counts.Put(tx, clockKey, uint64(c.Now().Milliseconds())) }
