package app

import (
	"context"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/bus/inproc"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pebble"
	"github.com/carillon-chat/carillon/internal/store/postgres"
)

// openEngine opens the engine in the data folder or in the database, and the bus that goes with it: one node has both.
func (a *App) openEngine(ctx context.Context) (store.Engine, bus.Bus, error) {
	if url := a.cfg.DatabaseURL; !url.IsZero() {
		engine, err := postgres.Open(ctx, url.Reveal(), postgres.Options{Logger: a.deps.Log})
		if err != nil {
			return nil, nil, err
		}
		return engine, inproc.New(), nil
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
