package retention

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/carillon-chat/carillon/internal/store"
)

// Eraser is an engine that keeps what was removed on disk until it happens to rewrite its files.
type Eraser interface {
	// Erase makes sure that nothing is left on disk of what was removed in the ranges before the call.
	Erase(ctx context.Context, table store.TableID, ranges ...store.Range) error
}

// erasedKey is where the store time of the latest erasure is kept, in milliseconds.
var erasedKey = store.K("", "erased at")

// EraseRemoved has the engine erase what is left of removed messages, of all channels that are
// marked: see store.MarkRemoved.
func (c *Cleaner) EraseRemoved(ctx context.Context) error {
	marks, _, err := c.marks(ctx)
	if err != nil || c.o.Eraser == nil || len(marks) == 0 {
		return err
	}

	var ranges []store.Range
	for _, m := range marks {
		if last := len(ranges) - 1; last < 0 || bytes.Compare(m.key, ranges[last].To) >= 0 { // else it lies in an app instance
			ranges = append(ranges, store.Prefix(m.key))
		}
	}

	for _, table := range [...]store.TableID{store.Messages.ID, store.Processings.ID} {
		if err := c.o.Eraser.Erase(ctx, table, ranges...); err != nil {
			return err
		}
	}

	// A transaction is about one app instance, and removes so many marks at most.
	for rest := marks; len(rest) > 0; {
		n := 1
		for n < min(len(rest), marksAtOnce) && rest[n].app == rest[0].app {
			n++
		}
		if err := c.erased(ctx, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return c.o.Store.Update(ctx, "", func(tx store.Tx) error {
		return store.Counts.Put(tx, erasedKey, uint64(c.o.Clock.Now().Milliseconds()))
	})
}

// marksAtOnce is how many marks one transaction removes, which all others wait for.
const marksAtOnce = 1000

// erased removes marks of one app instance, but for those of what was removed since.
func (c *Cleaner) erased(ctx context.Context, marks []removal) error {
	return c.o.Store.Update(ctx, marks[0].app, func(tx store.Tx) error {
		for _, m := range marks {
			position, found, err := store.Removals.Get(tx, m.key)
			if err == nil && found && position == m.position {
				err = store.Removals.Delete(tx, m.key)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// eraseInTime does so when the latest erasure is as long ago as a removal may take.
func (c *Cleaner) eraseInTime(ctx context.Context) error {
	if c.o.Eraser == nil {
		return nil
	}
	marks, last, err := c.marks(ctx)
	if err != nil || len(marks) == 0 || last > 0 && c.o.Clock.Now() < last+c.o.EraseWithin {
		return err
	}
	return c.EraseRemoved(ctx)
}

// removal is the mark of one.
type removal struct {
	app      string // empty for the mark of all
	key      store.Key
	position uint64
}

// marks lists the removals that are to be erased, and returns when the latest erasure was.
func (c *Cleaner) marks(ctx context.Context) (marks []removal, last time.Duration, err error) {
	err = c.o.Store.View(ctx, "", func(r store.Reader) error {
		at, _, err := store.Counts.Get(r, erasedKey)
		if err != nil {
			return err
		}
		last = time.Duration(at) * time.Millisecond
		return store.Removals.Each(r, store.Range{}, func(key store.Key, position uint64) (bool, error) {
			app, err := key.App()
			marks = append(marks, removal{app, slices.Clone(key), position})
			return true, err
		})
	})
	return marks, last, err
}
