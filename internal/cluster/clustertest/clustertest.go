// Package clustertest has nodes over one store, for tests: they can be stopped, killed, cut off and frozen. Tests
// run it in testing/synctest.
package clustertest

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/cluster"
	"github.com/carillon-chat/carillon/internal/store"
)

// Node is a node that runs.
type Node struct {
	*cluster.Node
	// Store is the node's way to the store. It is cut while Away is set.
	Store store.Store
	Away  atomic.Bool

	end   context.CancelFunc
	ended chan error
}

// Start has a node join the nodes of the store, with the options that are not set by it.
func Start(t testing.TB, st store.Store, id string, o cluster.Options) *Node {
	t.Helper()
	n := &Node{ended: make(chan error, 1)}
	n.Store = cuttable{st, &n.Away}
	o.Store, o.ID, o.PublicHost = n.Store, id, id+".test:24463"
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	node, err := cluster.Join(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	n.Node = node
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() { n.ended <- node.Run(ctx) }()
	n.end = sync.OnceFunc(cancel)
	return n
}

// Stop stops the node in good order, and returns what Run did.
func (n *Node) Stop() error {
	n.end()
	err := <-n.ended
	n.ended <- err
	return err
}

// Kill ends the node without a word to the others.
func (n *Node) Kill() {
	n.Away.Store(true)
	_ = n.Stop()
}

// cuttable is a store that can be away.
type cuttable struct {
	store.Store
	away *atomic.Bool
}

func (s cuttable) View(ctx context.Context, app string, f func(store.Reader) error) error {
	if s.away.Load() {
		return store.ErrUnavailable
	}
	return s.Store.View(ctx, app, f)
}

func (s cuttable) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	if s.away.Load() {
		return store.ErrUnavailable
	}
	return s.Store.Update(ctx, app, f)
}
