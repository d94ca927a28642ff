package follow

import (
	"context"

	"github.com/carillon-chat/carillon/internal/store"
)

// Nodes are the nodes that share the store, as the kit sees them: package cluster has them. A node holds all
// leases of followers and tasks by one lease of its own, which these methods are about.
type Nodes interface {
	// Name is what this node is called in leases. It is another one after each start.
	Name() string
	// Hold waits until this node may hold leases. held ends with ctx, and when other nodes may take the
	// leases; its cause says why. stop releases it.
	Hold(ctx context.Context) (held context.Context, stop func(), err error)
	// Gone reports whether the node with the name holds no lease any more in the moment of the reader.
	Gone(r store.Reader, name string) (bool, error)
	// Prefers reports whether the work in an app instance is best done on this node.
	Prefers(app string) bool
	// Changed returns a channel that is closed when Gone may report a node that it has not reported before.
	Changed() <-chan struct{}
}

// alone is a node that has its store for itself. What it finds under other names was left by an earlier
// process, and all it does is its own: it writes each lease once and renews and gives back none.
type alone struct{}

// Alone is a node that has its store for itself.
func Alone() Nodes { return alone{} }

func (alone) Name() string { return "embedded" }

func (alone) Hold(ctx context.Context) (held context.Context, stop func(), err error) {
	held, cancel := context.WithCancel(ctx)
	return held, cancel, nil
}

func (alone) Gone(store.Reader, string) (bool, error) { return true, nil }

func (alone) Prefers(string) bool { return true }

func (alone) Changed() <-chan struct{} { return nil }
