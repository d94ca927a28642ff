// Package move copies all that a store has into an empty one, of any engine. It promises:
//
//   - The source is only read.
//   - Every row of every table, and every event at its position, is in the target: both are read and compared at the end.
//   - What is written at once is bounded. A move that was cut off goes on where it was, and copies nothing twice.
//   - The target is empty, or a move from the same source, with the same content, began it. Until the move is complete it is
//     known as unfinished, see Unfinished.
package move

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Errors of Run and Unfinished.
var (
	// ErrNotEmpty reports that the target has data that no move has brought.
	ErrNotEmpty = errors.New("the target is not empty")
	// ErrOtherSource reports that the target was begun from another source, or from this one before it changed.
	ErrOtherSource = errors.New("the target was begun from another source, or the source has changed since; begin again with an empty target")
	// ErrDiffers reports that the target does not have what the source has.
	ErrDiffers = errors.New("the target differs from the source")
	// ErrUnfinished reports that a store is the target of a move that is not complete.
	ErrUnfinished = errors.New("the store is the unfinished copy of another: run carillon migrate again until it is complete, or empty it")
	// errChanged reports that another process wrote to the target.
	errChanged = errors.New("another process writes to the target")
)

// Bounds of what is copied in one transaction.
const (
	pieceRows   = 1000
	pieceBytes  = 1 << 20
	pieceEvents = 250 // an event may name many members
)

// Stage is a part of a move.
type Stage string

// The stages of a move, in their order.
const (
	Reading  Stage = "reading"
	Copying  Stage = "copying"
	Checking Stage = "checking"
)

// Options of Run.
type Options struct {
	From, To store.Store
	// Shared says that other processes can write to the source, which is read once more at the end, to find out.
	Shared bool
	// Progress, if any, is called with the rows and events of a stage that are done, and how many there are, zero for
	// unknown.
	Progress func(stage Stage, done, total uint64)
}

// Report is what a move has copied and compared.
type Report struct {
	AppInstances int // with the account, those that are deleted and have left rows
	Rows, Events uint64
}

// mover is a move at work.
type mover struct {
	Options
	source inventory
	mark   []byte // fingerprint of the source
}

// Run copies the source. It returns an error of this package, of a store, or ctx's; after ctx's or the store's it may run again.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Progress == nil {
		o.Progress = func(Stage, uint64, uint64) {}
	}
	m := &mover{Options: o}
	var err error
	if m.source, err = m.take(ctx, o.From, Reading, 0, nil); err != nil {
		return Report{}, fmt.Errorf("read the source: %w", err)
	}
	m.mark = m.source.fingerprint()
	state, err := m.begin(ctx)
	if err != nil {
		return Report{}, err
	}

	if !state.Verified {
		if err := m.copyAll(ctx); err != nil {
			return Report{}, fmt.Errorf("copy: %w", err)
		}
		if err := m.compare(ctx); err != nil {
			return Report{}, err
		}
	}
	if err := m.finish(ctx); err != nil {
		return Report{}, fmt.Errorf("complete the target: %w", err)
	}
	return m.source.report(), nil
}

// Unfinished returns ErrUnfinished while the store is the target of a move that is not complete.
func Unfinished(ctx context.Context, st store.Store) error {
	return st.View(ctx, "", func(r store.Reader) error {
		_, found, err := store.Moves.Get(r, store.K(""))
		if err == nil && found {
			err = ErrUnfinished
		}
		return err
	})
}

// begin marks an empty target as begun, or finds how far it has come.
func (m *mover) begin(ctx context.Context) (state chime.Move, err error) {
	err = m.To.Update(ctx, "", func(tx store.Tx) error {
		if _, can := tx.(store.Restorer); !can {
			return fmt.Errorf("the engine of the target cannot take over logs: %w", errors.ErrUnsupported)
		}
		var found bool
		if state, found, err = store.Moves.Get(tx, store.K("")); err != nil {
			return err
		}
		if found && bytes.Equal(state.Source, m.mark) {
			return nil
		} else if found {
			return ErrOtherSource
		}
		if err := isEmpty(tx); err != nil {
			return err
		}
		if err := store.Removals.Delete(tx, nil); err != nil {
			return err
		}
		state = chime.Move{Source: m.mark}
		return store.Moves.Put(tx, store.K(""), state)
	})
	return state, err
}

// isEmpty returns ErrNotEmpty when a table has a row, but for what the embedded engine notes of a new folder: that something
// may have to be erased from it.
func isEmpty(r store.Reader) error {
	for _, t := range append(store.Titles(), store.Title{ID: store.TableEvents, Name: "events"}, store.Title{ID: store.Moves.ID, Name: store.Moves.Name}) {
		err := r.Scan(t.ID, store.Range{}, func(key store.Key, _ []byte) (bool, error) {
			if t.ID == store.Removals.ID && len(key) == 0 {
				return true, nil
			}
			return false, fmt.Errorf("%w: it has %s", ErrNotEmpty, t.Name)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// compare reads the target, and a source that others can write to, and returns ErrDiffers unless both are as the source was.
func (m *mover) compare(ctx context.Context) error {
	total := m.source.total()
	if m.Shared {
		again, err := m.take(ctx, m.From, Checking, total, m.source)
		if err != nil {
			return fmt.Errorf("read the source again: %w", err)
		}
		if !bytes.Equal(again.fingerprint(), m.mark) {
			return ErrOtherSource
		}
	}
	copied, err := m.take(ctx, m.To, Checking, total, m.source)
	if err != nil {
		return fmt.Errorf("read the target: %w", err)
	}
	return m.source.compare(copied)
}

// finish removes what the move noted in the target; the account's record, which says that it is verified, goes last.
func (m *mover) finish(ctx context.Context) error {
	verified := chime.Move{Source: m.mark, Done: true, Verified: true}
	err := m.To.Update(ctx, "", func(tx store.Tx) error { return store.Moves.Put(tx, store.K(""), verified) })
	if err != nil {
		return err
	}
	for _, app := range append(m.source.apps()[1:], "") {
		err := m.To.Update(ctx, app, func(tx store.Tx) error { return store.Moves.Delete(tx, store.K(app)) })
		if err != nil {
			return err
		}
	}
	return nil
}
