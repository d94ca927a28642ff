package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Errors of a node.
var (
	// ErrReplaced reports that another process was started as the node, so this one has to end.
	ErrReplaced = errors.New("another process was started under the same node-id")
	// ErrFenced reports that another node has taken a lease, so the write of a former holder is refused.
	ErrFenced = errors.New("another node took the lease")

	errLapsed = errors.New("the node's row could not be renewed in time")
	errLeft   = errors.New("the node has left")
)

// DefaultLease is longer than a slow disk or a pause of the process takes.
const DefaultLease = 15 * time.Second

// leaveTimeout bounds how long a node that stops waits for the store.
const leaveTimeout = 5 * time.Second

// Options of a Node. All but Load, Lease and Now are required.
type Options struct {
	Store store.Store
	// ID names the node among those that share the store.
	ID string
	// PublicHost is the host[:port] that clients reach the node by.
	PublicHost string
	Version    string
	// Load is how many WebSockets the node has; nil stands for none.
	Load func() int
	// Lease is how long the node may be silent until others take over what it holds; zero means
	// DefaultLease.
	Lease time.Duration
	// Now is the clock of the time of day in the node's row; nil means time.Now. Leases do not use it.
	Now func() time.Time
	Log *slog.Logger
}

// Node is this process among the nodes. It is safe for concurrent use.
type Node struct {
	o       Options
	start   uint64
	started chime.Millis
	name    string
	wake    chan struct{} // holds one token when the row is to be written soon

	mu       sync.Mutex
	held     context.Context // ends when others may take what the node holds
	lose     context.CancelCauseFunc
	holding  chan struct{} // closed once held is a new one
	renewed  time.Time     // when the latest renewal began, which is before others can see it
	lapse    *time.Timer
	draining bool
	drained  chan struct{} // closed once the row says so
	peers    peers
}

// Join writes the row of a node. From then on it has a lease; Run renews it.
func Join(ctx context.Context, o Options) (*Node, error) {
	if o.Load == nil {
		o.Load = func() int { return 0 }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Lease = cmp.Or(o.Lease, DefaultLease)
	n := &Node{
		o: o, started: chime.At(o.Now()), wake: make(chan struct{}, 1), holding: make(chan struct{}),
		drained: make(chan struct{}), peers: peers{changed: make(chan struct{})},
	}
	n.held, n.lose = context.WithCancelCause(context.Background())
	n.lose(errLapsed) // until the row is written

	if err := n.write(ctx); err != nil {
		return nil, fmt.Errorf("join the nodes of the store: %w", err)
	}
	n.o.Log.Info("joined the nodes of the store", "node", n.name, "others", n.peers.others(n.name))
	return n, nil
}

// Name is what the node is called where it holds something. After another start it is another one.
func (n *Node) Name() string { return n.name }

// Run renews the node's lease until ctx ends. Then it gives back what the node holds and returns nil.
// ErrReplaced says that the process has to end.
func (n *Node) Run(ctx context.Context) error {
	wait := time.Duration(0)
	for failed := false; ; {
		rest(ctx, n.wake, wait)
		if ctx.Err() != nil {
			return n.Close()
		}

		// What hangs for longer than the lease is cut off by it.
		bounded, cancel := context.WithTimeout(ctx, n.o.Lease)
		err := n.write(bounded)
		cancel()
		switch {
		case errors.Is(err, ErrReplaced):
			n.end(err)
			return err
		case err != nil && ctx.Err() == nil && !failed:
			n.o.Log.Error("cluster: cannot renew the lease of this node, will retry", "node", n.name, "error", err)
		case err == nil && failed:
			n.o.Log.Info("cluster: the lease of this node is renewed again", "node", n.name)
		}
		failed = err != nil
		wait = n.next(failed || n.Lapsed() != nil) // one that was written too late is written again
	}
}

// next is how long to wait until the row is written again: a third of the lease, or until the lease of a
// silent node is over, and less after a failure.
func (n *Node) next(failed bool) time.Duration {
	if failed {
		return n.o.Lease / 12
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return min(n.o.Lease/3, n.peers.untilExpiry(time.Now()))
}

// Drain has the node offered to no more clients. It returns when its row says so, which others see within a
// third of their leases, or when ctx ends. Run has to be at work.
func (n *Node) Drain(ctx context.Context) error {
	n.mu.Lock()
	n.draining = true
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
	select {
	case <-n.drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write writes the node's row and reads those of the others, in one transaction. Its callers take turns.
func (n *Node) write(ctx context.Context) error {
	began := time.Now()
	var seen view
	err := n.o.Store.Update(ctx, "", func(tx store.Tx) (err error) {
		if seen, err = look(tx); err != nil {
			return err
		}
		before := seen.rows[n.o.ID]
		start := n.start
		switch {
		case start == 0:
			if start, err = store.AddCount(tx, startsKey, 1); err != nil {
				return err
			}
			seen.newest = start
		case before.Start > start:
			return ErrReplaced
		}
		for _, id := range n.forgettable(seen) {
			if err := store.Nodes.Delete(tx, store.K(id)); err != nil {
				return err
			}
		}
		row := n.row(start, before.Renewals+1)
		seen.rows[n.o.ID] = row
		return store.Nodes.Put(tx, store.K(n.o.ID), row)
	})
	if err != nil {
		return err
	}

	if n.start == 0 { // nothing else knows the node yet
		n.start = seen.newest
		n.name = nameOf(n.o.ID, n.start)
	}
	n.keep(began, seen)
	return nil
}

// row is what the node says of itself.
func (n *Node) row(start, renewals uint64) chime.Node {
	load := uint64(max(0, n.o.Load()))
	n.mu.Lock()
	defer n.mu.Unlock()
	return chime.Node{
		Start: start, Renewals: renewals, Lease: chime.Millis(n.o.Lease.Milliseconds()), PublicHost: n.o.PublicHost,
		Version: n.o.Version, Load: load, Draining: n.draining, Started: n.started,
	}
}

// keep notes a renewal that began at a time, and what it saw.
func (n *Node) keep(began time.Time, seen view) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if own := seen.rows[n.o.ID]; own.Draining {
		select {
		case <-n.drained:
		default:
			close(n.drained)
		}
	}
	for _, gone := range n.peers.see(began, seen) {
		n.o.Log.Warn("cluster: a node is silent, others take over what it held", "node", gone)
	}
	if began.After(n.renewed) {
		n.renewed = began
	}

	// One that was written too late begins anew.
	left := n.term() - time.Since(n.renewed)
	if left <= 0 {
		return
	}
	if n.held.Err() != nil {
		n.held, n.lose = context.WithCancelCause(context.Background())
		close(n.holding)
		n.holding = make(chan struct{})
	}
	if n.lapse == nil {
		n.lapse = time.AfterFunc(left, n.expire)
	} else {
		n.lapse.Reset(left)
	}
}

// term is for how long the node holds something after it began to renew its lease. The rest of the lease is for
// its work to end.
func (n *Node) term() time.Duration { return n.o.Lease * 7 / 8 }

// expire ends what the node holds when its lease is over.
func (n *Node) expire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held.Err() != nil || time.Since(n.renewed) < n.term() {
		return
	}
	n.o.Log.Error("cluster: the lease of this node is over, its work goes on elsewhere", "node", n.name)
	n.lose(errLapsed)
}

// end ends what the node holds for ever.
func (n *Node) end(why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lapse != nil {
		n.lapse.Stop()
	}
	n.lose(why)
	n.held, n.lose = context.WithCancelCause(context.Background())
	n.lose(why)
}

// Close gives back what the node holds, once Run has ended or in its place: others need not wait for the end of
// its lease. It returns nil also when the store is away, and calling it again does nothing.
func (n *Node) Close() error {
	n.mu.Lock()
	left := errors.Is(context.Cause(n.held), errLeft)
	n.mu.Unlock()
	if left {
		return nil
	}
	n.end(errLeft)
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	err := n.o.Store.Update(ctx, "", func(tx store.Tx) error {
		row, found, err := store.Nodes.Get(tx, store.K(n.o.ID))
		if err != nil || !found || row.Start != n.start {
			return err
		}
		return store.Nodes.Delete(tx, store.K(n.o.ID))
	})
	if err != nil {
		n.o.Log.Warn("cluster: others take over what this node held once its lease is over, as it cannot be given back", "node", n.name, "error", err)
	}
	return nil
}

// Lapsed returns why the node may hold nothing at present, nil while it may.
func (n *Node) Lapsed() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return context.Cause(n.held)
}

// Hold waits until the node may hold something. The context that it returns ends with ctx, and when others
// may take what the node holds; its cause says why. stop releases it.
func (n *Node) Hold(ctx context.Context) (held context.Context, stop func(), err error) {
	for {
		n.mu.Lock()
		lease, holding := n.held, n.holding
		n.mu.Unlock()
		if lease.Err() == nil {
			held, cancel := context.WithCancelCause(ctx)
			release := context.AfterFunc(lease, func() { cancel(context.Cause(lease)) })
			return held, func() { release(); cancel(context.Canceled) }, nil
		}
		select {
		case <-holding:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}
