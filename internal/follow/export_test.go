package follow

import (
	"context"
	"errors"

	"github.com/carillon-chat/carillon/internal/store"
)

// Claim is a claim, for tests of the fence.
type Claim struct{ c claim }

// ClaimOf is the claim of a node.
func ClaimOf(st store.Store, app, follower, node string) *Claim {
	return &Claim{claim{store: st, app: app, follower: follower, node: node, term: DefaultLease}}
}

// Take takes the lease whoever holds it.
func (c *Claim) Take(ctx context.Context) error {
	record, found, err := c.c.read(ctx)
	if err != nil {
		return err
	}
	taken, err := c.c.take(ctx, record, found)
	if err == nil && !taken {
		err = errors.New("the record changed meanwhile")
	}
	return err
}

// Save writes a position.
func (c *Claim) Save(ctx context.Context, position uint64) error { return c.c.save(ctx, position) }

// Renew renews the lease.
func (c *Claim) Renew(ctx context.Context) error { return c.c.renew(ctx) }
