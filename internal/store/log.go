package store

import (
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/record"
)

// The log of an app instance, and that of the account, as engines keep it that have no better place
// for it: events and their traces under the app instance and the position, and one record about the
// log itself once it was trimmed. The functions of this file trust that a transaction is that of the
// app instance.
var (
	events = Table[chime.Event]{ID: TableEvents, Name: "events"}
	logs   = Table[Log]{ID: TableLogs, Name: "logs"} // app
)

// Log is what the events of a log do not show.
type Log struct {
	// Trimmed is the position behind which the log has all events.
	Trimmed uint64 `cbor:"1,keyasint"`
	// Base is the position behind which the log has no gaps. Up to there it has the positions of the
	// one log that there was before format 3 of the engine pebble.
	Base uint64 `cbor:"2,keyasint,omitempty"`
}

// AppendRecord implements record.Encoder.
func (l *Log) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Uint(1, l.Trimmed)
	w.OptionalUint(2, l.Base)
	return w.Bytes()
}

// ReadRecord implements record.Decoder.
func (l *Log) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 1:
			l.Trimmed = r.Uint()
		case 2:
			l.Base = r.Uint()
		default:
			r.Skip()
		}
	}
	return r.End()
}

// PutLog replaces what is noted of a log.
func PutLog(tx Tx, app string, log Log) error { return logs.Put(tx, K(app), log) }

// PutEvent writes an event at its position of the log, and its traces. What the sender of a message
// wrote is kept once, in the record of the message, so that whatever removes it there removes it
// here: the log keeps an event with content without its payload.
func PutEvent(tx Tx, event chime.Event) error {
	kept := event
	kept.Compact()
	if err := events.Put(tx, K(event.App).Num(event.Position), kept); err != nil {
		return err
	}
	return putTraces(tx, event.Position, &event)
}

// ReadEvent reads the event at a position of a log. It returns ErrTrimmed when the log has none.
func ReadEvent(r Reader, app string, position uint64) (*chime.Event, error) {
	e, found, err := events.Get(r, K(app).Num(position))
	if err == nil && !found {
		err = ErrTrimmed
	}
	e.Position = position
	e.Expand(app)
	return &e, err
}

// ReadEvents reads up to limit events of a log after the position, in order. It returns ErrTrimmed
// when the log does not reach back to there.
func ReadEvents(r Reader, app string, after uint64, limit int) (list []*chime.Event, err error) {
	if reaches, err := Reaches(r, app, after); err != nil || !reaches {
		if err == nil {
			err = ErrTrimmed
		}
		return nil, err
	}
	if after == ^uint64(0) {
		return nil, nil
	}

	prefix := K(app)
	rng := Range{From: K(app).Num(after + 1), To: prefix.successor()}
	err = events.Each(r, rng, func(key Key, e chime.Event) (bool, error) {
		position, err := key.LastNumber()
		if err != nil {
			return false, events.failed(err)
		}
		e.Position = position
		e.Expand(app)
		list = append(list, &e)
		return len(list) < limit, nil
	})
	return list, err
}

// LogStart is the position behind which a log has every event.
func LogStart(r Reader, app string) (uint64, error) {
	log, _, err := logs.Get(r, K(app))
	return log.Trimmed, err
}

// Reaches reports whether a log has every event after the position.
func Reaches(r Reader, app string, after uint64) (bool, error) {
	start, err := LogStart(r, app)
	return start <= after, err
}

// LogEnd is the position of the latest event of a log, zero when it never had one.
func LogEnd(r Reader, app string) (end uint64, err error) {
	log, _, err := logs.Get(r, K(app))
	if err != nil {
		return 0, err
	}
	end = max(log.Trimmed, log.Base)
	rng := Prefix(K(app))
	rng.Reverse = true
	err = r.Scan(TableEvents, rng, func(key Key, _ []byte) (bool, error) {
		position, err := key.LastNumber()
		end = max(end, position)
		return false, err
	})
	return end, err
}

// TrimEvents removes the events of a log up to and including the position, and their traces. end is the
// position of the latest event.
func TrimEvents(tx Tx, app string, upTo, end uint64) error {
	log, _, err := logs.Get(tx, K(app))
	if err != nil || upTo <= log.Trimmed {
		return err
	}
	log.Trimmed = min(upTo, end)
	if err := PutLog(tx, app, log); err != nil {
		return err
	}
	if err := tx.DeleteRange(TableEvents, Range{From: K(app), To: K(app).Num(upTo).after()}); err != nil {
		return err
	}
	return trimTraces(tx, app, upTo)
}

// EachLog calls f for each log that holds an event, the account's first, until f returns false or an
// error.
func EachLog(r Reader, f func(app string) (more bool, err error)) error {
	for from := Key(nil); ; {
		var next Key
		err := r.Scan(TableEvents, Range{From: from}, func(key Key, _ []byte) (bool, error) {
			app, err := key.App()
			if err != nil {
				return false, err
			}
			more, err := f(app)
			if more && err == nil {
				next = K(app).successor()
			}
			return false, err
		})
		if err != nil || next == nil {
			return err
		}
		from = next
	}
}
