package store

import "github.com/carillon-chat/carillon/internal/chime"

// events is the log as engines keep it that have no better place for it.
var events = Table[chime.Event]{ID: TableEvents, Name: "events"}

// PutEvent writes an event at its position of the log, and its traces. What the sender of a message
// wrote is kept once, in the record of the message, so that whatever removes it there removes it
// here: the log keeps an event that tells it without its payload.
func PutEvent(tx Tx, position uint64, event chime.Event) error {
	event.Compact()
	if err := events.Put(tx, K().Num(position), event); err != nil {
		return err
	}
	return putTraces(tx, position, &event)
}

// ReadEvent reads the event at the position. ErrTrimmed says that the log has none.
func ReadEvent(r Reader, position uint64) (*chime.Event, error) {
	e, found, err := events.Get(r, K().Num(position))
	if err == nil && !found {
		err = ErrTrimmed
	}
	e.Position = position
	e.Expand()
	return &e, err
}

// TrimEvents removes the events up to and including the position, and their traces.
func TrimEvents(tx Tx, upTo uint64) error {
	if err := tx.DeleteRange(TableEvents, Range{To: K().Num(upTo).after()}); err != nil {
		return err
	}
	return trimTraces(tx, upTo)
}

// ReadEvents reads up to limit events after the position, in order.
func ReadEvents(r Reader, after uint64, limit int) (list []*chime.Event, err error) {
	if after == ^uint64(0) {
		return nil, nil
	}
	err = events.Each(r, Range{From: K().Num(after + 1)}, func(key Key, e chime.Event) (bool, error) {
		columns, err := key.Columns()
		if err != nil {
			return false, events.failed(err)
		}
		e.Position, _ = columns[0].(uint64)
		e.Expand()
		list = append(list, &e)
		return len(list) < limit, nil
	})
	return list, err
}
