package pebble

import (
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

var _ store.Restorer = (*tx)(nil)

// Restore implements store.Restorer.
func (t *tx) Restore(events []chime.Event) (err error) {
	for i := range events {
		if err := store.Scope(t.app).CheckEvent(events[i].App); err != nil {
			return err
		}
	}
	t.restored, err = store.RestoreEvents(t, t.app, events)
	return err
}
