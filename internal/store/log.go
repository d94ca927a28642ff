package store

import "github.com/carillon-chat/carillon/internal/chime"

// events is the log as engines keep it that have no better place for it.
var events = Table[chime.Event]{ID: TableEvents, Name: "events"}

// PutEvent writes an event at its position of the log.
func PutEvent(tx Tx, position uint64, event chime.Event) error {
	return events.Put(tx, K().Num(position), event)
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
		list = append(list, &e)
		return len(list) < limit, nil
	})
	return list, err
}

// UpTo is the range of the log up to and including the position.
func UpTo(position uint64) Range { return Range{To: K().Num(position).after()} }
