package app

import (
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/bus/inproc"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// openEngine opens the engine in the data folder, and the bus that goes with it: one node has both.
func (a *App) openEngine() (store.Engine, bus.Bus, error) {
	engine, err := pebble.Open(a.data.Store(), pebble.Options{
		Logger: a.deps.Log, ReserveBytes: int64(a.cfg.DiskReserve), LogBytes: int64(a.cfg.StoreLogSize), CacheBytes: int64(a.cfg.StoreCache),
		OpenTables: a.files.Store,
	})
	if err != nil {
		return nil, nil, err
	}
	return engine, inproc.New(), nil
}
