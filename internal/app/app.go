package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/carillon-chat/carillon/internal/app/browser"
	"github.com/carillon-chat/carillon/internal/app/certfile"
	"github.com/carillon-chat/carillon/internal/app/datadir"
	"github.com/carillon-chat/carillon/internal/app/descriptors"
	"github.com/carillon-chat/carillon/internal/app/localca"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/cluster"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/ops"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/move"
)

// Deps is what a node takes from outside in addition to its settings. Zero values mean no log, the
// machine's clock and crypto/rand.
type Deps struct {
	Log     *slog.Logger
	Now     func() time.Time
	Random  io.Reader // safe for concurrent use
	Version string    // of the program, for metrics
	// Wait waits for a time, or until ctx ends; nil uses a timer.
	Wait func(ctx context.Context, d time.Duration)
	// Stdout is where the logs go whose setting is stdout; nil discards.
	Stdout io.Writer
	// Followers follow the log, in addition to those that the settings ask for.
	Followers []follow.Follower
	// Shared says that what Decorate returns is a store of several nodes.
	Shared bool
	// Decorate returns what stands between the services and the engine, and the bus; nil changes
	// nothing.
	Decorate func(store.Store, bus.Bus) (store.Store, bus.Bus)
}

// App is one node. Exactly one of Run and Close is to be called.
type App struct {
	cfg    config.Config
	loaded config.Config // as it was given
	deps   Deps

	files          descriptors.Share
	publicListener net.Listener
	opsListener    net.Listener // nil when switched off
	publicHost     string
	authority      *localca.Authority // nil with a certificate of one's own
	seeded         *Seeded            // nil outside dev mode
	data           *datadir.Dir
	engine         store.Engine
	store          store.Store      // the engine, decorated
	shared         bool             // several nodes may have the store
	account        *cluster.Account // as other nodes change it; nil where the store is not shared
	node           *cluster.Node    // among them; nil where the store is not shared
	bus            bus.Bus
	registry       *prometheus.Registry
	readiness      ops.Readiness
	services       *services
	logs           logs
	stdout         standardOutput
	pages          *browser.Guard
	ownCertificate *certfile.Pair // nil with the local CA
	getCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	actors    []actor        // in the order of their start
	closers   []func() error // of what New opened, in that order
	closeOnce sync.Once
	closeErr  error
	ready     chan struct{}
	serving   atomic.Bool
}

// New builds a node that is ready to run. The ports are taken, but
// clients wait until Run.
func New(ctx context.Context, cfg config.Config, deps Deps) (*App, error) {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Wait == nil {
		deps.Wait = follow.Sleep
	}
	if deps.Random == nil {
		deps.Random = rand.Reader
	}

	a := &App{cfg: cfg, loaded: cfg, deps: deps, registry: ops.NewRegistry(deps.Version), ready: make(chan struct{})}
	a.stdout.w = deps.Stdout
	a.files = descriptors.Divide(descriptors.Limit())

	// What an earlier step has opened is closed when a later one fails.
	for _, step := range []func(context.Context) error{
		a.openPorts, a.openStore, a.joinNodes, a.openLogs, a.openCertificate, a.chooseKeys, a.buildServices, a.seed, a.buildPublic, a.buildOps,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	return a, nil
}

// Run serves until ctx ends, which is a clean stop and no error, or a part fails. The node is
// closed when it returns.
func (a *App) Run(ctx context.Context) error {
	a.serving.Store(true)
	a.deps.Log.Info("serving", "address", a.Addr(), "operations", a.OpsAddr(), "version", a.deps.Version)
	close(a.ready)
	err := errors.Join(run(ctx, a.actors, a.deps.Log), a.Close())
	a.deps.Log.Info("stopped")
	return err
}

// Close gives back what New took. Calling it again does nothing.
func (a *App) Close() error {
	a.closeOnce.Do(func() {
		for _, closer := range slices.Backward(a.closers) {
			a.closeErr = errors.Join(a.closeErr, closer())
		}
	})
	return a.closeErr
}

// Ready is closed when Run has begun to serve.
func (a *App) Ready() <-chan struct{} { return a.ready }

// Addr is the address of the public port.
func (a *App) Addr() string { return a.publicListener.Addr().String() }

// OpsAddr is the address of the operations port, empty when it is switched off.
func (a *App) OpsAddr() string {
	if a.opsListener == nil {
		return ""
	}
	return a.opsListener.Addr().String()
}

// PublicHost is the host[:port] that clients reach the node by.
func (a *App) PublicHost() string { return a.publicHost }

// CAFile is the certificate of the local CA that clients have to trust, empty when the node has
// a certificate of its own.
func (a *App) CAFile() string {
	if a.authority == nil {
		return ""
	}
	return a.authority.File()
}

// Seeded is what dev mode made or found, nil in other modes.
func (a *App) Seeded() *Seeded { return a.seeded }

// EraseRemoved erases from the data folder what was removed, instead of waiting for erase-within.
func (a *App) EraseRemoved(ctx context.Context) error { return a.services.cleaner.EraseRemoved(ctx) }

// RemoveExpired removes what has expired, instead of waiting for the next pass.
func (a *App) RemoveExpired(ctx context.Context) error { return a.services.expiry.Pass(ctx) }

// opened notes what is to be closed, after all that is opened later.
func (a *App) opened(closer func() error) { a.closers = append(a.closers, closer) }

// openStore opens the data folder and the engine.
func (a *App) openStore(ctx context.Context) (err error) {
	if a.data, err = datadir.Open(a.cfg.Data, a.cfg.Fresh); err != nil {
		return err
	}
	a.opened(a.data.Close)

	if err := a.keepSite(ctx); err != nil {
		return err
	}
	if a.engine, a.bus, err = a.openEngine(ctx); err != nil {
		return err
	}

	a.opened(a.engine.Close)
	if err := move.Unfinished(ctx, a.engine); err != nil {
		return err
	}
	a.store = a.engine
	if a.deps.Decorate != nil {
		a.store, a.bus = a.deps.Decorate(a.store, a.bus)
	}
	a.shared = a.deps.Shared || !a.cfg.DatabaseURL.IsZero()

	a.readiness.Add("store", func(ctx context.Context) error { return a.engine.Refusal() })
	a.registry.MustRegister(engineMetrics{a.engine})
	return nil
}

// openPorts takes the ports, so that a taken one is reported before anything else happens.
func (a *App) openPorts(ctx context.Context) (err error) {
	if a.publicListener, err = a.listen(ctx, "listen", a.cfg.Listen); err != nil {
		return err
	}
	if a.cfg.OpsListen != "" {
		if a.opsListener, err = a.listen(ctx, "ops-listen", a.cfg.OpsListen); err != nil {
			return err
		}
	}

	a.publicHost = a.cfg.PublicHost
	if a.publicHost == "" {
		_, port, err := net.SplitHostPort(a.Addr())
		if err != nil {
			return err
		}
		a.publicHost = net.JoinHostPort("localhost", port)
	}
	return nil
}

// listen takes the address of a setting.
func (a *App) listen(ctx context.Context, setting, address string) (net.Listener, error) {
	listener, err := listenTCP(ctx, address)
	if isInUse(err) {
		return nil, fmt.Errorf("%s is in use by another program; choose another address with --%s or %s",
			address, setting, config.EnvName(setting))
	} else if err != nil {
		return nil, fmt.Errorf("--%s: %w", setting, err)
	}
	a.opened(func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) { // the server closes it first
			return err
		}
		return nil
	})
	return listener, nil
}
