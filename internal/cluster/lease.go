package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// lookAgain is how often a node looks at a lease that a living node holds.
const lookAgain = time.Minute

// lease is the lease of named work as a node holds it.
type lease struct {
	node  *Node
	work  string
	fence uint64
}

type leaseKey struct{}

// Lead runs work while this node holds the lease of its name, and again whenever it has got that back,
// until ctx ends; then it returns nil. The ctx of run ends when the node may not hold the lease any
// longer. What run returns before its ctx ends, Lead returns.
func (n *Node) Lead(ctx context.Context, work string, run func(context.Context) error) error {
	for ctx.Err() == nil {
		held, stop, err := n.Hold(ctx)
		if err != nil {
			return nil // ctx has ended
		}
		l, err := n.take(held, work)
		switch {
		case err == nil:
			n.o.Log.Info("cluster: this node does it for all", "work", work, "node", n.name)
			err = run(context.WithValue(held, leaseKey{}, l))
			if held.Err() == nil && !errors.Is(err, ErrFenced) {
				stop()
				return err
			}
		case held.Err() == nil:
			n.o.Log.Error("cluster: cannot take a lease, will retry", "work", work, "error", err)
			rest(held, nil, n.o.Lease/3)
		}
		stop()
	}
	return nil
}

// Check reads the lease by which the work of ctx is done, and returns ErrFenced when another node has taken it
// meanwhile. The transaction is one of the account. Outside of Lead's work it returns nil.
func Check(ctx context.Context, r store.Reader) error {
	l, led := ctx.Value(leaseKey{}).(*lease)
	if !led {
		return nil
	}
	now, _, err := store.Leases.Get(r, store.K(l.work))
	if err == nil && now != (chime.Lease{Holder: l.node.name, Fence: l.fence}) {
		err = ErrFenced
	}
	return err
}

// take waits until the lease is free, and takes it.
func (n *Node) take(ctx context.Context, work string) (*lease, error) {
	for {
		changed := n.Changed() // from before the look
		var now chime.Lease
		var taken bool
		err := n.o.Store.Update(ctx, "", func(tx store.Tx) (err error) {
			if now, _, err = store.Leases.Get(tx, store.K(work)); err != nil {
				return err
			}
			if taken = now.Holder == "" || now.Holder == n.name; !taken {
				taken, err = n.Gone(tx, now.Holder)
			}
			if err != nil || !taken {
				return err
			}
			now = chime.Lease{Holder: n.name, Fence: now.Fence + 1}
			return store.Leases.Put(tx, store.K(work), now)
		})
		if err != nil {
			return nil, err
		}
		if taken {
			return &lease{n, work, now.Fence}, nil
		}
		rest(ctx, changed, lookAgain)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// rest waits for a time, until woken, or until ctx ends.
func rest(ctx context.Context, woken <-chan struct{}, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-woken:
	case <-timer.C:
	}
}
