package follow

import (
	"context"
	"errors"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// named is a node with a name.
type named struct {
	Nodes
	name string
}

func (n named) Name() string { return n.name }

// Claim is a claim, for tests of the fence.
type Claim struct {
	c     claim
	seen  chime.Following
	found bool
}

// ClaimOf is the claim of a node.
func ClaimOf(st store.Store, app, follower, node string) *Claim {
	return &Claim{c: claim{store: st, nodes: named{alone{}, node}, app: app, follower: follower}}
}

// Take takes the lease, held or not.
func (c *Claim) Take(ctx context.Context) error {
	record, found, _, err := c.c.read(ctx)
	if err != nil {
		return err
	}
	taken, err := c.c.take(ctx, record, found, false)
	if err == nil && !taken {
		err = errors.New("the record changed meanwhile")
	}
	return err
}

// Look notes the lease as it is, for TakeSeen.
func (c *Claim) Look(ctx context.Context) (err error) {
	c.seen, c.found, _, err = c.c.read(ctx)
	return err
}

// TakeSeen takes the lease that was noted, and reports false when another took it meanwhile.
func (c *Claim) TakeSeen(ctx context.Context) (taken bool, err error) {
	return c.c.take(ctx, c.seen, c.found, false)
}

// Save writes a position.
func (c *Claim) Save(ctx context.Context, position uint64) error { return c.c.save(ctx, position) }
