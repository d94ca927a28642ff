// Package lifecycle removes what has had its time: answers remembered for client request tokens,
// events of the log and keys. It promises:
//
//   - Nothing younger than its window or retention is removed, and the latest event never is.
//   - A pass takes few reads and one short transaction, however much there is to remove.
//   - A pass that fails is logged and the next one does its work too.
package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"sort"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// DefaultInterval lies between two passes.
const DefaultInterval = time.Minute

// Options of a Cleaner. Store, Now and Log are required.
type Options struct {
	Store  store.Store
	Tokens idempotency.Tokens
	// EventRetention is how long an event is kept in the log.
	EventRetention time.Duration
	// RotateKeys replaces and forgets keys when their time has come; nil when there are none.
	RotateKeys func(context.Context) error
	Interval   time.Duration // zero means DefaultInterval
	Now        func() time.Time
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

// Clean makes one pass. A part that fails does not keep the other from its work.
func (c *Cleaner) Clean(ctx context.Context) error {
	err := c.forget(ctx)
	if c.o.RotateKeys != nil {
		err = errors.Join(err, c.o.RotateKeys(ctx))
	}
	return err
}

// forget removes tokens and events.
func (c *Cleaner) forget(ctx context.Context) error {
	now := c.o.Now()
	var old uint64
	err := c.o.Store.View(ctx, func(r store.Reader) (err error) {
		old, err = lastBefore(r, chime.At(now.Add(-c.o.EventRetention)))
		return err
	})
	if err != nil {
		return err
	}
	return c.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := c.o.Tokens.Forget(tx, chime.At(now)); err != nil || old == 0 {
			return err
		}
		return tx.TrimEvents(old)
	})
}

// lastBefore is the position of the last event before the moment, zero when there is none or
// nothing would be left. Events are in order of time, so their positions are halved until it is
// found.
func lastBefore(r store.Reader, moment chime.Millis) (uint64, error) {
	oldest, err := store.ReadEvents(r, 0, 1)
	if err != nil || len(oldest) == 0 {
		return 0, err
	}
	first := oldest[0].Position
	last, err := r.Position()
	if err != nil || last <= first {
		return 0, err
	}
	young := sort.Search(int(last-first), func(i int) bool {
		if err != nil {
			return true
		}
		var at []*chime.Event
		at, err = store.ReadEvents(r, first+uint64(i)-1, 1)
		return len(at) == 0 || at[0].Time >= moment
	})
	if err != nil || young == 0 {
		return 0, err
	}
	return first + uint64(young) - 1, nil
}
