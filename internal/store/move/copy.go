package move

import (
	"bytes"
	"context"
	"fmt"
	"reflect"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// copyAll copies what the target does not have yet.
func (m *mover) copyAll(ctx context.Context) error {
	var done uint64
	total := m.source.total()
	m.Progress(Copying, 0, total)
	for _, app := range m.source.apps() {
		one := &copying{mover: m, app: app}
		if err := one.resume(ctx); err != nil {
			return err
		}
		for !one.state.Done {
			if err := one.piece(ctx); err != nil {
				return fmt.Errorf("app instance %q: %w", app, err)
			}
			m.Progress(Copying, done+one.state.Rows, total)
		}
		done += one.state.Rows
	}
	return nil
}

// copying is the copy of one app instance, or of the account. Its steps are the tables in the order of store.Titles, then the
// log.
type copying struct {
	*mover
	app   string
	state chime.Move // how far it is; tables without rows are passed in memory alone
	noted chime.Move // as the target has it
}

// resume reads how far the target has come.
func (c *copying) resume(ctx context.Context) error {
	return c.To.View(ctx, c.app, func(r store.Reader) (err error) {
		c.noted, _, err = store.Moves.Get(r, store.K(c.app))
		c.state = c.noted
		return err
	})
}

// piece copies the next rows or events, together with how far the copy has come then.
func (c *copying) piece(ctx context.Context) error {
	titles := store.Titles()
	for c.state.Step < uint64(len(titles)) && c.state.Next == nil && !c.source.has(c.app, titles[c.state.Step].ID) {
		c.state.Step++
	}
	if c.state.Step == uint64(len(titles)) {
		return c.events(ctx)
	}

	table := titles[c.state.Step].ID
	rows, more, err := c.read(ctx, table)
	if err != nil {
		return err
	}
	next := c.state
	next.Rows += uint64(len(rows))
	if next.Next = nil; more {
		next.Next = append(bytes.Clone(rows[len(rows)-1].key), 0)
	} else {
		next.Step++
	}
	return c.write(ctx, next, func(tx store.Tx) error {
		for _, row := range rows {
			if err := tx.Put(table, row.key, row.value); err != nil {
				return err
			}
		}
		return nil
	})
}

// row is a row of a table.
type row struct {
	key   store.Key
	value []byte
}

// read reads the next rows of a table of the source; more says that others may follow.
func (c *copying) read(ctx context.Context, table store.TableID) (rows []row, more bool, err error) {
	rng := store.Range{From: c.state.Next}
	if table.OfAppInstances() {
		if rng.To = store.Prefix(store.K(c.app)).To; rng.From == nil && c.app != "" {
			rng.From = store.K(c.app)
		}
	}
	size := 0
	err = c.From.View(ctx, c.app, func(r store.Reader) error {
		return r.Scan(table, rng, func(key store.Key, value []byte) (bool, error) {
			rows = append(rows, row{bytes.Clone(key), bytes.Clone(value)})
			size += len(key) + len(value)
			more = len(rows) >= pieceRows || size >= pieceBytes
			return !more, nil
		})
	})
	return rows, more, err
}

// events copies the next events. With the last piece the engine finds where the log ends.
func (c *copying) events(ctx context.Context) error {
	var list []chime.Event
	err := c.From.View(ctx, c.app, func(r store.Reader) error {
		after, err := store.LogStart(r, c.app)
		if err != nil {
			return err
		}
		if c.state.Next != nil {
			if after, err = store.Key(c.state.Next).LastNumber(); err != nil {
				return err
			}
		}
		events, err := store.ReadEvents(r, c.app, after, pieceEvents)
		for _, e := range events {
			list = append(list, *e)
		}
		return err
	})
	if err != nil {
		return err
	}

	next := c.state
	next.Rows += uint64(len(list))
	if next.Done = len(list) < pieceEvents; !next.Done {
		next.Next = store.K("").Num(list[len(list)-1].Position)
	}
	return c.write(ctx, next, func(tx store.Tx) error { return tx.(store.Restorer).Restore(list) })
}

// write writes a piece to the target, unless that has come further meanwhile.
func (c *copying) write(ctx context.Context, next chime.Move, put func(store.Tx) error) error {
	key := store.K(c.app)
	err := c.To.Update(ctx, c.app, func(tx store.Tx) error {
		there, _, err := store.Moves.Get(tx, key)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(there, c.noted) {
			return errChanged
		}
		if err := put(tx); err != nil {
			return err
		}
		return store.Moves.Put(tx, key, next)
	})
	if err == nil {
		c.state, c.noted = next, next
	}
	return err
}
