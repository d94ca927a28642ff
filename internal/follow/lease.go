package follow

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Watch reports when a node may take a lease that another node holds. The zero Watch has seen
// nothing.
type Watch struct {
	seen  chime.Lease
	since time.Time // when it was first seen, on the monotonic clock
}

// Expired reports whether the lease is the one that was seen a term ago and at each call since.
func (w *Watch) Expired(lease chime.Lease, term time.Duration) bool {
	if w.since.IsZero() || lease != w.seen {
		w.seen, w.since = lease, time.Now()
		return false
	}
	return time.Since(w.since) >= term
}

// claim is a node's part in the lease of one follower in one app instance, with the position that
// belongs to it. Every write renews the lease and is refused once another node took it.
type claim struct {
	store         store.Store
	app, follower string
	node          string
	term          time.Duration
	start         Start

	mu       sync.Mutex
	held     bool
	fence    uint64
	position uint64    // as it was last written
	renewed  time.Time // when the latest renewal began, which is before other nodes can see it
}

func (c *claim) key() store.Key { return store.K(c.app, c.follower) }

// read is the record as it is now.
func (c *claim) read(ctx context.Context) (record chime.Following, found bool, err error) {
	err = c.store.View(ctx, c.app, func(r store.Reader) (err error) {
		record, found, err = store.Followings.Get(r, c.key())
		return err
	})
	return record, found, err
}

// take takes the lease if the record is still the one that was seen; otherwise it reports false.
func (c *claim) take(ctx context.Context, seen chime.Following, found bool) (taken bool, err error) {
	began := time.Now()
	var record chime.Following
	err = c.store.Update(ctx, c.app, func(tx store.Tx) error {
		now, there, err := store.Followings.Get(tx, c.key())
		if err != nil {
			return err
		}
		if taken = there == found && now.Lease == seen.Lease; !taken {
			return nil
		}

		// The records of a deleted app instance are gone and must not come again.
		if record = now; !there {
			if record, err = c.begin(tx); err != nil {
				return err
			}
		}
		record.Lease = chime.Lease{Holder: c.node, Fence: record.Lease.Fence + 1}
		return store.Followings.Put(tx, c.key(), record)
	})
	if err != nil || !taken {
		return false, err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.held, c.fence, c.position, c.renewed = true, record.Lease.Fence, record.Position, began
	return true, nil
}

// begin is the record of a follower that has none in the app instance.
func (c *claim) begin(r store.Reader) (record chime.Following, err error) {
	exists, err := store.AppInstances.Has(r, store.K(c.app))
	if err != nil {
		return record, err
	}
	end, err := r.Position()
	switch {
	case err != nil:
		return record, err
	case !exists && end == 0: // the account lists it already
		return record, errUnborn
	case !exists:
		return record, errDeleted
	case c.start == Given:
		return record, errEnded
	case c.start == End:
		record.Position = end
		return record, nil
	}
	record.Position, err = store.LogStart(r, c.app)
	return record, err
}

// change changes the record and renews the lease with it. f may write in the same transaction.
func (c *claim) change(ctx context.Context, f func(tx store.Tx, record *chime.Following) error) error {
	c.mu.Lock()
	fence, held := c.fence, c.held
	c.mu.Unlock()
	if !held {
		return ErrFenced
	}

	began := time.Now()
	var record chime.Following
	err := c.store.Update(ctx, c.app, func(tx store.Tx) (err error) {
		var found bool
		if record, found, err = store.Followings.Get(tx, c.key()); err != nil {
			return err
		}
		if !found || record.Lease.Holder != c.node || record.Lease.Fence != fence {
			return ErrFenced
		}
		record.Lease.Renewals++
		if err := f(tx, &record); err != nil {
			return err
		}
		return store.Followings.Put(tx, c.key(), record)
	})
	if err != nil {
		return err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.position = record.Position
	if began.After(c.renewed) {
		c.renewed = began
	}
	return nil
}

func (c *claim) renew(ctx context.Context) error {
	return c.change(ctx, func(store.Tx, *chime.Following) error { return nil })
}

// save writes the position.
func (c *claim) save(ctx context.Context, position uint64) error {
	return c.change(ctx, func(_ store.Tx, record *chime.Following) error {
		record.Position = position
		return nil
	})
}

// drop forgets the lease. Where other nodes would have to wait for it, it is given back.
func (c *claim) drop(ctx context.Context) error {
	c.mu.Lock()
	fresh := c.held && time.Since(c.renewed) < c.term
	c.mu.Unlock()
	var err error
	if fresh {
		err = c.change(ctx, func(_ store.Tx, record *chime.Following) error {
			record.Lease.Holder = ""
			return nil
		})
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	return err
}

// due reports whether a third of the term has passed since the latest renewal.
func (c *claim) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.renewed) >= c.term/3
}

// saved is the position that was last written.
func (c *claim) saved() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.position
}

// left is how long other nodes have to wait at least until they may take the lease.
func (c *claim) left() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.term - time.Since(c.renewed)
}

// keep renews the lease for as long as work under the returned ctx goes on, which is until stop is
// called. The ctx ends with the lease; its cause says why.
func (c *claim) keep(ctx context.Context) (work context.Context, stop func(), err error) {
	if c.due() { // an idle holder does not renew
		if err := c.renew(ctx); err != nil {
			return nil, nil, err
		}
	}

	// One goroutine renews; the other ends the work when no renewal came in time.
	work, cancel := context.WithCancelCause(ctx)
	var both sync.WaitGroup
	both.Go(func() {
		for work.Err() == nil {
			if Sleep(work, c.term/6); !c.due() {
				continue
			}
			if err := c.renew(work); errors.Is(err, ErrFenced) {
				cancel(err)
			}
		}
	})
	both.Go(func() { // a renewal may hang longer than the lease lasts
		for work.Err() == nil {
			left := c.left()
			if left <= 0 {
				cancel(errLapsed)
			}
			Sleep(work, left)
		}
	})
	return work, func() { cancel(context.Canceled); both.Wait() }, nil
}
