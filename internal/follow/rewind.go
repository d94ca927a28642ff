package follow

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// ErrAhead reports that a follower was to be set to where it has not been yet: that would leave events out.
var ErrAhead = errors.New("the follower has not come that far")

// TooEarlyError reports that the log does not reach back to where a follower was to be set.
type TooEarlyError struct {
	Position uint64    // of the first event that the log has
	Time     time.Time // of that event
}

func (e *TooEarlyError) Error() string {
	return fmt.Sprintf("the log reaches back to position %d of %s", e.Position, e.Time.UTC().Format(time.RFC3339))
}

// From says where a follower begins again: at a position of the log, or at the first event of a time when
// the position is zero.
type From struct {
	Position uint64
	Time     time.Time
}

// Rewind sets a follower back in an app instance, so that it is handed the events from there on once more,
// and returns the position of the first of them. also, when set, writes in the same transaction. The
// holder of the lease loses it to this node, so that no write of its former work moves the position; the effects
// have the same keys as before. Errors are *TooEarlyError, ErrAhead, and ErrNotFound for a follower without a position.
func (r *Runner) Rewind(ctx context.Context, app, follower string, from From, also func(tx store.Tx, position uint64) error) (position uint64, err error) {
	w, unknown := r.worker(app, follower)
	holder := r.o.Nodes.Name()
	if unknown != nil {
		holder = ""
	}
	key := store.K(app, follower)
	err = r.o.Store.Update(ctx, app, func(tx store.Tx) error {
		record, found, err := store.Followings.Get(tx, key)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("follower %q: %w", follower, ErrNotFound)
		}
		if position, err = from.resolve(tx, app); err != nil {
			return err
		}
		if position > record.Position+1 {
			return fmt.Errorf("%w: it is at position %d", ErrAhead, record.Position)
		}

		record.Position = position - 1
		record.Lease = chime.Lease{Holder: holder, Fence: record.Lease.Fence + 1}
		if err := store.Followings.Put(tx, key, record); err != nil || also == nil {
			return err
		}
		return also(tx, position)
	})
	if err != nil {
		return 0, err
	}

	// A holder that has nothing to do would notice with the next event alone.
	if unknown == nil {
		w.lose(errRewound)
	}
	return position, nil
}

// resolve returns the position of the first event to be handled, which the log has, or will have.
func (f From) resolve(r store.Reader, app string) (position uint64, err error) {
	start, err := store.LogStart(r, app)
	if err != nil {
		return 0, err
	}
	end, err := r.Position()
	if err != nil {
		return 0, err
	}

	// The times of a log's events rise with their positions, but for what setting the clock does.
	position = f.Position
	early := position != 0 && position <= start
	if position == 0 {
		position = start + 1 + uint64(sort.Search(int(end-start), func(i int) bool {
			at, failed := timeAt(r, app, start+1+uint64(i))
			err = errors.Join(err, failed)
			return failed != nil || !at.Before(f.Time)
		}))
	}
	if err != nil || start == 0 || start >= end {
		return position, err
	}
	first, err := timeAt(r, app, start+1)
	if err != nil {
		return 0, err
	}
	if early || f.Position == 0 && f.Time.Before(first) {
		return 0, &TooEarlyError{Position: start + 1, Time: first}
	}
	return position, nil
}

func timeAt(r store.Reader, app string, position uint64) (time.Time, error) {
	e, err := store.ReadEvent(r, app, position)
	if err != nil {
		return time.Time{}, err
	}
	return e.Time.Time(), nil
}
