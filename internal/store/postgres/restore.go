package postgres

import (
	"errors"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

var _ store.Restorer = (*tx)(nil)

// Restore implements store.Restorer.
func (t *tx) Restore(events []chime.Event) error {
	if len(t.events)+len(t.batch.events) > 0 {
		return errors.New("a log cannot be restored in a batch that has appended to it")
	}
	put := func(key store.Key, value []byte) error { return t.Put(store.TableEvents, key, value) }
	for i := range events {
		if err := store.Scope(t.batch.app).CheckEvent(events[i].App); err != nil {
			return err
		}
		if err := store.EncodeEvents(t.batch.app, events[i:i+1], put); err != nil {
			return err
		}
	}
	end, err := store.LogEnd(t, t.batch.app)
	if err != nil {
		return err
	}
	t.restored = append(t.restored, events...)
	t.began, t.moved, t.wrote = end, true, true
	return nil
}

// fresh is an event that the batch adds to the log, nil when the log had it before.
func (b *batch) fresh(position uint64) *chime.Event {
	if position > b.end.position {
		return &b.events[position-b.end.position-1]
	}
	at, found := slices.BinarySearchFunc(b.restored, position, func(e chime.Event, position uint64) int {
		switch {
		case e.Position < position:
			return -1
		case e.Position > position:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return &b.restored[at]
}
