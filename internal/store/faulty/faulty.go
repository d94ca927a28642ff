// Package faulty wraps a store so that tests of services can make chosen calls fail.
package faulty

import (
	"context"
	"errors"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Op is a place where a call can fail.
type Op int

// The places. Each but Committed fails before anything happens.
const (
	View Op = iota + 1
	Update
	Get
	Scan
	Position
	Put
	Delete
	DeleteRange
	Append
	TrimEvents
	RewriteEvents
	Commit    // the transaction is given up after its function succeeded
	Committed // the transaction is durable, but its caller gets an error
	Follow
	Next // of a cursor, and Poll
	GetMany
)

// Call is one call that may fail.
type Call struct {
	Op    Op
	Table store.TableID // of Get, Scan, Put, Delete and DeleteRange
}

// Store is a store whose calls fail as its function says.
type Store struct {
	store.Store
	fail func(Call) error
}

// New wraps a store. fail is asked at each call, by several goroutines at once when the store is
// used by several; an error is what the call then answers.
func New(inner store.Store, fail func(Call) error) *Store { return &Store{inner, fail} }

// View implements store.Store.
func (s *Store) View(ctx context.Context, app string, f func(store.Reader) error) error {
	if err := s.fail(Call{Op: View}); err != nil {
		return err
	}
	return s.Store.View(ctx, app, func(r store.Reader) error { return f(reader{r, s.fail}) })
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	if err := s.fail(Call{Op: Update}); err != nil {
		return err
	}
	err := s.Store.Update(ctx, app, func(t store.Tx) error {
		if err := f(tx{reader{t, s.fail}, t}); err != nil {
			return err
		}
		return s.fail(Call{Op: Commit})
	})
	if err != nil {
		return err
	}
	return s.fail(Call{Op: Committed})
}

// Follow implements store.Store.
func (s *Store) Follow(app string, after uint64) (store.Cursor, error) {
	if err := s.fail(Call{Op: Follow}); err != nil {
		return nil, err
	}
	c, err := s.Store.Follow(app, after)
	if err != nil {
		return nil, err
	}
	return cursor{c, s.fail}, nil
}

type cursor struct {
	store.Cursor
	fail func(Call) error
}

func (c cursor) Next(ctx context.Context) ([]*chime.Event, error) {
	if err := c.fail(Call{Op: Next}); err != nil {
		return nil, err
	}
	return c.Cursor.Next(ctx)
}

func (c cursor) Poll() ([]*chime.Event, <-chan struct{}, error) {
	if err := c.fail(Call{Op: Next}); err != nil {
		return nil, nil, err
	}
	return c.Cursor.Poll()
}

type reader struct {
	inner store.Reader
	fail  func(Call) error
}

func (r reader) Get(table store.TableID, key store.Key) ([]byte, error) {
	if err := r.fail(Call{Get, table}); err != nil {
		return nil, err
	}
	return r.inner.Get(table, key)
}

func (r reader) GetMany(lookups []store.Lookup) error {
	if err := r.fail(Call{Op: GetMany}); err != nil {
		return err
	}
	return r.inner.GetMany(lookups)
}

func (r reader) Scan(table store.TableID, rng store.Range, f func(store.Key, []byte) (bool, error)) error {
	if err := r.fail(Call{Scan, table}); err != nil {
		return err
	}
	return r.inner.Scan(table, rng, f)
}

func (r reader) Position() (uint64, error) {
	if err := r.fail(Call{Op: Position}); err != nil {
		return 0, err
	}
	return r.inner.Position()
}

type tx struct {
	reader
	inner store.Tx
}

func (t tx) Put(table store.TableID, key store.Key, value []byte) error {
	if err := t.fail(Call{Put, table}); err != nil {
		return err
	}
	return t.inner.Put(table, key, value)
}

func (t tx) Delete(table store.TableID, key store.Key) error {
	if err := t.fail(Call{Delete, table}); err != nil {
		return err
	}
	return t.inner.Delete(table, key)
}

func (t tx) DeleteRange(table store.TableID, rng store.Range) error {
	if err := t.fail(Call{DeleteRange, table}); err != nil {
		return err
	}
	return t.inner.DeleteRange(table, rng)
}

func (t tx) Append(event chime.Event) (uint64, error) {
	if err := t.fail(Call{Op: Append}); err != nil {
		return 0, err
	}
	return t.inner.Append(event)
}

func (t tx) TrimEvents(upTo uint64) error {
	if err := t.fail(Call{Op: TrimEvents}); err != nil {
		return err
	}
	return t.inner.TrimEvents(upTo)
}

func (t tx) RewriteEvents(after, upTo uint64, f func(*chime.Event) (bool, error)) error {
	if err := t.fail(Call{Op: RewriteEvents}); err != nil {
		return err
	}
	return t.inner.RewriteEvents(after, upTo, f)
}

// Rerun wraps a store so that each function given to Update runs twice, first for nothing, as
// an engine may do that meets a conflict: what a function leaves behind shows.
func Rerun(inner store.Store) store.Store { return rerun{inner} }

type rerun struct{ store.Store }

var errAgain = errors.New("once more")

func (s rerun) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	err := s.Store.Update(ctx, app, func(tx store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return errAgain
	})
	if err != errAgain {
		return err
	}
	return s.Store.Update(ctx, app, f)
}
