package app

import (
	"context"

	"github.com/carillon-chat/carillon/internal/store"
)

// disk is the engine, and what marks removed messages for it.
type disk struct{ *App }

// Erase implements person.Disk.
func (d disk) Erase(ctx context.Context, table store.TableID, ranges ...store.Range) error {
	return d.engine.Erase(ctx, table, ranges...)
}

// EraseKeys implements person.Disk.
func (d disk) EraseKeys(ctx context.Context) error { return d.engine.EraseKeys(ctx) }
