package app

import (
	"context"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/bus/inproc"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pebble"
	"github.com/carillon-chat/carillon/internal/store/postgres"
)

// openEngine opens the engine in the data folder or in the database, and the bus that goes with it.
func (a *App) openEngine(ctx context.Context) (store.Engine, bus.Bus, error) {
	if !a.cfg.DatabaseURL.IsZero() {
		return a.openDatabase(ctx)
	}
	engine, err := pebble.Open(a.data.Store(), pebble.Options{
		Logger: a.deps.Log, ReserveBytes: int64(a.cfg.DiskReserve), LogBytes: int64(a.cfg.StoreLogSize), CacheBytes: int64(a.cfg.StoreCache),
		OpenTables: a.files.Store,
	})
	if err != nil {
		return nil, nil, err
	}
	return engine, inproc.New(), nil
}

// openDatabase opens the engine in the database, and what connects the node with others that have the same database.
func (a *App) openDatabase(ctx context.Context) (store.Engine, bus.Bus, error) {
	var between bus.Bus = inproc.New()
	o := postgres.Options{Logger: a.deps.Log}
	var others *peers
	if a.cfg.Clustered() {
		var err error
		if others, err = a.openPeers(); err != nil {
			return nil, nil, err
		}
		between, o.Announce, o.Interest = others.bus, others.bus.Announce, others.bus.Interest
	}
	engine, err := postgres.Open(ctx, a.cfg.DatabaseURL.Reveal(), o)
	if err != nil {
		return nil, nil, err
	}
	if others != nil {
		others.bus.Attach(engine)
	}
	return engine, between, nil
}
