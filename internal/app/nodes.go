package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/carillon-chat/carillon/internal/cluster"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/retention"
)

// joinNodes has this node join those that share its store, if several may.
func (a *App) joinNodes(ctx context.Context) error {
	if !a.shared {
		return nil
	}
	id := a.cfg.NodeID
	if id == "" {
		var err error
		if id, err = os.Hostname(); err != nil {
			return fmt.Errorf("the machine has no name; set node-id: %w", err)
		}
	}
	node, err := cluster.Join(ctx, cluster.Options{
		Store: a.store, ID: id, PublicHost: a.publicHost, Version: a.deps.Version, Load: a.countSockets,
		Lease: a.cfg.NodeLease, Now: a.deps.Now, Log: a.deps.Log,
	})
	if err != nil {
		return err
	}

	a.node = node
	a.opened(node.Close)
	a.account, err = cluster.FollowAccount(ctx, a.store, a.deps.Log, func() { a.services.forget() })
	if err != nil {
		return err
	}
	a.actors = append(a.actors, actor{name: "node", run: node.Run, patience: stopPatience})
	a.readiness.Add("node", func(context.Context) error { return node.Lapsed() })
	a.registry.MustRegister(sampler(a.sampleNodes))
	return nil
}

// accountConfirmed reports whether other nodes can have changed unseen what callers may do; nil where there
// are none.
func (a *App) accountConfirmed() func() bool {
	if a.account == nil {
		return nil
	}
	return a.account.Confirmed
}

// share has this node see what others change in the account, take up what they leave of channel flows, and rotate
// its keys by itself, since it has to know the new ones: retention is what one node does for all.
func (a *App) share(cleaning *retention.Options) {
	if a.node == nil {
		return
	}
	a.readiness.Add("account", func(context.Context) error {
		if a.account.Confirmed() {
			return nil
		}
		return errors.New("the account's log cannot be read")
	})
	rotate := cleaning.RotateKeys
	cleaning.RotateKeys = nil
	a.actors = append(a.actors,
		actor{name: "account", run: a.account.Run, patience: stopPatience},
		actor{name: "left invocations", run: a.once("left invocations", a.services.invoker.TakeUp), patience: stopPatience},
		actor{name: "keys", patience: stopPatience, run: func(ctx context.Context) error {
			return retention.Repeat(ctx, retention.DefaultInterval, a.deps.Log, "cannot rotate keys, will retry", rotate)
		}})
}

// countSockets is the load of this node.
func (a *App) countSockets() int {
	if a.services == nil || a.services.sockets == nil { // it starts
		return 0
	}
	return a.services.sockets.Stats().Open
}

// nodes are those that share the store, nil where this one has it for itself.
func (a *App) nodes() follow.Nodes {
	if a.node == nil {
		return nil
	}
	return a.node
}

// once wraps the run of an actor so that a single node of those that share the store executes it.
func (a *App) once(work string, run func(context.Context) error) func(context.Context) error {
	if a.node == nil {
		return run
	}
	return func(ctx context.Context) error { return a.node.Lead(ctx, work, run) }
}

// offer is the host at which the next client opens its WebSocket.
func (a *App) offer() string {
	if a.node == nil {
		return a.publicHost
	}
	return a.node.Offer()
}

// drainPatience bounds how long a stop waits until other nodes can see it.
const drainPatience = time.Second

// drain has other nodes send no more clients here. A store that is away does not hold up the stop.
func (a *App) drain(ctx context.Context) {
	if a.node == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, drainPatience)
	defer cancel()
	if err := a.node.Drain(ctx); err != nil {
		a.deps.Log.Warn("other nodes may send clients to this one until they see that it is gone", "error", err)
	}
}

// farewell is what sockets are closed with when the node stops. Among others it goes away, and its clients go
// to them; a node alone comes back.
func (a *App) farewell() realtime.CloseError {
	if a.node == nil {
		return realtime.CloseError{Code: realtime.CloseRestart, Reason: "the server restarts"}
	}
	return realtime.CloseError{Code: realtime.CloseGoingAway, Reason: "the node is drained"}
}

// closeSpread is over how long a stop closes the sockets. The clients of a node that goes away connect to
// others, which are not to have them all at once; those of a node alone wait for it.
func (a *App) closeSpread() time.Duration {
	if a.node == nil {
		return min(a.cfg.ShutdownDelay, a.cfg.DrainTimeout/2)
	}
	return a.cfg.DrainTimeout * 3 / 4
}

// forgetUnborn undoes creations of app instances that a crash cut off, unless other nodes may be at work on
// them.
func (a *App) forgetUnborn(ctx context.Context) error {
	if a.node != nil && a.node.Others() > 0 {
		return nil
	}
	return a.services.forgetUnborn(ctx)
}

func (a *App) sampleNodes(gauge, _ sample) {
	states := map[string]int{"live": 0, "draining": 0, "gone": 0}
	for _, p := range a.node.Peers() {
		switch {
		case p.Gone:
			states["gone"]++
		case p.Node.Draining:
			states["draining"]++
		default:
			states["live"]++
		}
	}
	for state, n := range states {
		gauge("carillon_nodes", "Nodes that share the store, as this one sees them: live, draining, and gone, which were silent for longer than their node-lease and are listed for an hour.",
			float64(n), "state", state)
	}
}

// answerNodes lists the nodes as JSON, on the operations port.
func (a *App) answerNodes(w http.ResponseWriter, _ *http.Request) {
	list := []cluster.Peer{}
	if a.node != nil {
		list = a.node.Peers()
	}
	answer(w, list)
}
