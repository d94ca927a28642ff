// Package retention removes what has had its time: answers remembered for client request tokens,
// events of the log and keys; it has the engine erase what is left on disk of removed messages. It promises:
//
//   - Nothing younger than its window or retention is removed, and the latest event never is. Ages
//     are in store time (store.Clock), which setting the machine's clock does not move.
//   - A pass is one short transaction, however much there is to remove.
//   - What was removed is erased from the disk within a time, as long as passes succeed.
//   - A pass that fails is logged and the next one does its work too.
package retention

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// DefaultInterval lies between two passes.
const DefaultInterval = time.Minute

// Options of a Cleaner. Store, Clock and Log are required.
type Options struct {
	Store  store.Store
	Clock  *store.Clock // saved in every pass
	Tokens idempotency.Tokens
	// EventRetention is how long an event is kept in the log, in store time.
	EventRetention time.Duration
	// Eraser is the engine, nil when it leaves nothing on disk. It is asked to erase when something was
	// removed, and the latest time was EraseWithin ago, in store time.
	Eraser      Eraser
	EraseWithin time.Duration
	// RotateKeys replaces and forgets keys when their time has come; nil when there are none.
	RotateKeys func(context.Context) error
	Interval   time.Duration // zero means DefaultInterval
	Log        *slog.Logger
}

// Cleaner makes the passes.
type Cleaner struct{ o Options }

// New makes a Cleaner.
func New(o Options) *Cleaner {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	return &Cleaner{o}
}

// Run makes a pass now and then until ctx ends, which is no error.
func (c *Cleaner) Run(ctx context.Context) error {
	ticker := time.NewTicker(c.o.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := c.Clean(ctx); err != nil && ctx.Err() == nil {
			c.o.Log.Error("cleaning failed; it is tried again", "error", err, "after", c.o.Interval)
		}
	}
}

// Clean makes one pass. A part that fails does not keep the others from their work. Only one may be
// under way.
func (c *Cleaner) Clean(ctx context.Context) error {
	err := errors.Join(c.forget(ctx), c.eraseInTime(ctx))
	if c.o.RotateKeys != nil {
		err = errors.Join(err, c.o.RotateKeys(ctx))
	}
	return err
}

// forget removes tokens and events, and saves store time.
func (c *Cleaner) forget(ctx context.Context) error {
	return c.o.Store.Update(ctx, "", func(tx store.Tx) error {
		if err := c.o.Clock.Save(tx); err != nil {
			return err
		}
		if err := c.o.Tokens.Forget(tx); err != nil {
			return err
		}
		return c.trim(tx)
	})
}

// trim marks how far the log has come by now, and forgets the events up to the latest mark that is
// as old as the retention. Times of events say nothing about that: they are times of day.
func (c *Cleaner) trim(tx store.Tx) error {
	now := c.o.Clock.Now()
	last, err := tx.Position()
	if err != nil {
		return err
	}
	if err := mark(tx, now, last); err != nil {
		return err
	}
	if now < c.o.EventRetention {
		return nil
	}
	var old uint64
	past := store.Range{To: moment(now - c.o.EventRetention + time.Millisecond)}
	err = store.LogMarks.Each(tx, store.Range{To: past.To, Reverse: true}, func(_ store.Key, position uint64) (bool, error) {
		old = position
		return false, nil
	})
	if old = min(old, max(last, 1)-1); err != nil || old == 0 {
		return err
	}
	if err := tx.DeleteRange(store.LogMarks.ID, past); err != nil {
		return err
	}
	return tx.TrimEvents(old)
}

// mark notes the position of the latest event unless it is that of the latest mark.
func mark(tx store.Tx, now time.Duration, last uint64) error {
	marked := false
	err := store.LogMarks.Each(tx, store.Range{Reverse: true}, func(_ store.Key, position uint64) (bool, error) {
		marked = position == last
		return false, nil
	})
	if err != nil || marked || last == 0 {
		return err
	}
	return store.LogMarks.Put(tx, moment(now), last)
}

// moment is the key of a mark.
func moment(at time.Duration) store.Key { return store.Key(nil).Num(uint64(at.Milliseconds())) }
