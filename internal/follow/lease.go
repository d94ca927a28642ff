package follow

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// claim is a node's part in the lease of one follower in one app instance, with the position that
// belongs to it. Every write is refused once another node took the lease.
type claim struct {
	store         store.Store
	nodes         Nodes
	app, follower string
	start         Start

	mu        sync.Mutex
	held      bool
	fence     uint64
	position  uint64    // as it was last written
	confirmed time.Time // when the store last said that the lease is held
}

func (c *claim) key() store.Key { return store.K(c.app, c.follower) }

// read is the record as it is now. free reports whether this node may take its lease.
func (c *claim) read(ctx context.Context) (record chime.Following, found, free bool, err error) {
	err = c.store.View(ctx, c.app, func(r store.Reader) (err error) {
		if record, found, err = store.Followings.Get(r, c.key()); err == nil {
			free, err = c.free(r, record.Lease)
		}
		return err
	})
	return record, found, free, err
}

func (c *claim) free(r store.Reader, lease chime.Lease) (bool, error) {
	if lease.Holder == "" || lease.Holder == c.nodes.Name() {
		return true, nil
	}
	return c.nodes.Gone(r, lease.Holder)
}

// take takes the lease if the record is still the one that was seen, and free, or idle is set and the follower has
// handled all that there is; otherwise it reports false. What is
// this node's already takes no write.
func (c *claim) take(ctx context.Context, seen chime.Following, found, idle bool) (taken bool, err error) {
	began := time.Now()
	record, own := seen, found && seen.Lease.Holder == c.nodes.Name()
	if !own {
		err = c.store.Update(ctx, c.app, func(tx store.Tx) error {
			now, there, err := store.Followings.Get(tx, c.key())
			if err != nil {
				return err
			}
			switch taken = there == found && now.Lease == seen.Lease; {
			case taken && idle:
				var end uint64
				end, err = tx.Position()
				taken = now == seen && end == seen.Position
			case taken:
				taken, err = c.free(tx, now.Lease)
			}
			if err != nil || !taken {
				return err
			}

			// The records of a deleted app instance are gone and must not come again.
			if record = now; !there {
				if record, err = c.begin(tx); err != nil {
					return err
				}
			}
			record.Lease = chime.Lease{Holder: c.nodes.Name(), Fence: record.Lease.Fence + 1}
			return store.Followings.Put(tx, c.key(), record)
		})
		if err != nil || !taken {
			return false, err
		}
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.held, c.fence, c.position, c.confirmed = true, record.Lease.Fence, record.Position, began
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

// check reads the record, and returns ErrFenced unless this node holds the lease that it took.
func (c *claim) check(r store.Reader) (record chime.Following, err error) {
	c.mu.Lock()
	lease, held := chime.Lease{Holder: c.nodes.Name(), Fence: c.fence}, c.held
	c.mu.Unlock()
	if !held {
		return record, ErrFenced
	}
	record, found, err := store.Followings.Get(r, c.key())
	if err == nil && (!found || record.Lease != lease) {
		err = ErrFenced
	}
	return record, err
}

// change changes the record. f may write in the same transaction.
func (c *claim) change(ctx context.Context, f func(tx store.Tx, record *chime.Following) error) error {
	began := time.Now()
	var record chime.Following
	err := c.store.Update(ctx, c.app, func(tx store.Tx) (err error) {
		if record, err = c.check(tx); err != nil {
			return err
		}
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
	c.position, c.confirmed = record.Position, began
	return nil
}

// confirm asks the store whether the lease is held, unless it has said so a moment ago: of a holder that has
// nothing to do another node may take it.
func (c *claim) confirm(ctx context.Context) error {
	c.mu.Lock()
	fresh := time.Since(c.confirmed) < confirmWithin
	c.mu.Unlock()
	if fresh {
		return nil
	}
	began := time.Now()
	err := c.store.View(ctx, c.app, func(r store.Reader) error {
		_, err := c.check(r)
		return err
	})
	if err == nil {
		c.mu.Lock()
		c.confirmed = began
		c.mu.Unlock()
	}
	return err
}

// confirmWithin is how old a holder's knowledge of its lease may be when it begins with events.
const confirmWithin = 5 * time.Second

// save writes the position.
func (c *claim) save(ctx context.Context, position uint64) error {
	return c.change(ctx, func(_ store.Tx, record *chime.Following) error {
		record.Position = position
		return nil
	})
}

// give gives the lease back, so that another node may take it at once.
func (c *claim) give(ctx context.Context) error {
	return c.change(ctx, func(_ store.Tx, record *chime.Following) error {
		record.Lease.Holder = ""
		return nil
	})
}

// drop forgets the lease, whatever the store says of it.
func (c *claim) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
}

func (c *claim) isHeld() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// saved is the position that was last written.
func (c *claim) saved() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.position
}

type fenceKey struct{}

// Check reads the lease under which a follower works, and returns ErrFenced when another node has taken it. A
// Handle, and what a Begin has started, calls it with its ctx in each transaction in which it writes; the
// transaction is one of the app instance. On a node that has its store for itself it reads nothing.
func Check(ctx context.Context, r store.Reader) error {
	w, fenced := ctx.Value(fenceKey{}).(*worker)
	if !fenced {
		return nil
	}
	_, err := w.claim.check(r)
	if errors.Is(err, ErrFenced) {
		w.lose(err)
	}
	return err
}
