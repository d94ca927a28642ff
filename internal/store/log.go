package store

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/record"
)

// The log of an app instance, and that of the account, as engines keep it that have no better place
// for it: events and their traces under the app instance and the position, and one record about the
// log itself once it was trimmed. The functions of this file trust that a transaction is that of the
// app instance.
var (
	events = Table[run]{ID: TableEvents, Name: "events"} // app, position of the last
	logs   = Table[Log]{ID: TableLogs, Name: "logs"}     // app
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

// run is a record of the log: events that follow one another, under the position of the last.
type run []chime.Event

// maxRun bounds the events of a record, each of which is read with all others.
const maxRun = 64

// ReadRecord implements record.Decoder.
func (l *run) ReadRecord(text string) error {
	for more := true; more; more = text != "" {
		one, rest, ok := record.Cut(text)
		if !ok {
			return record.ErrMalformed
		}
		var e chime.Event
		if err := e.ReadRecord(one); err != nil {
			return err
		}
		*l, text = append(*l, e), rest
	}
	return nil
}

// AppendRecord implements record.Encoder.
func (l *run) AppendRecord(b []byte) []byte {
	for _, e := range *l {
		e.Compact()
		b = e.AppendRecord(b)
	}
	return b
}

// place gives the events the app instance and the positions that the key of their record has.
func (l run) place(app string, key Key) error {
	last, err := key.LastNumber()
	if err != nil {
		return events.failed(err)
	}
	for i := range l {
		l[i].Position = last - uint64(len(l)-1-i)
		l[i].Expand(app)
	}
	return nil
}

// PutEvent writes an event at its position of the log, and its traces.
func PutEvent(tx Tx, event chime.Event) error {
	put := func(key Key, value []byte) error { return tx.Put(TableEvents, key, value) }
	if err := EncodeEvents(event.App, []chime.Event{event}, put); err != nil {
		return err
	}
	return PutTraces(tx, event)
}

// EncodeEvents calls put for the records of TableEvents that hold events which follow one another at the
// end of a log: what is committed together takes few of them. What the sender of a message wrote is kept
// once, in the record of the message, so that whatever removes it there removes it here: the log keeps an
// event with content without its payload. The value is valid during the call.
func EncodeEvents(app string, list []chime.Event, put func(key Key, value []byte) error) error {
	for part := range slices.Chunk(list, maxRun) {
		key := K(app).Num(part[len(part)-1].Position)
		if err := encoded((*run)(&part), func(value []byte) error { return put(key, value) }); err != nil {
			return events.failed(err)
		}
	}
	return nil
}

// RestoreEvents is Restorer.Restore of an engine that keeps logs in the tables of this file. It returns where the log
// ends then.
func RestoreEvents(tx Tx, app string, list []chime.Event) (end uint64, err error) {
	put := func(key Key, value []byte) error { return tx.Put(TableEvents, key, value) }
	for len(list) > 0 {
		n := 1 // that follow one another
		for n < len(list) && list[n].Position == list[n-1].Position+1 {
			n++
		}
		if err := EncodeEvents(app, list[:n], put); err != nil {
			return 0, err
		}
		list = list[n:]
	}
	return LogEnd(tx, app)
}

// EachEvent calls f for the events of all logs, in order of app instance and position, until it returns an error. The
// event may be kept.
func EachEvent(r Reader, f func(*chime.Event) error) error {
	var app string
	var start uint64 // of the log
	first := true
	return events.Each(r, Range{}, func(key Key, l run) (bool, error) {
		of, err := key.App()
		if err != nil {
			return false, err
		}
		if first || of != app {
			app, first = of, false
			if start, err = LogStart(r, app); err != nil {
				return false, err
			}
		}

		// A record may still have events that the log has left behind.
		if err := l.place(app, key); err != nil {
			return false, err
		}
		for i := range l {
			if l[i].Position <= start {
				continue
			}
			if err := f(&l[i]); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// ReadEvent reads the event at a position of a log. It returns ErrTrimmed when the log has none.
func ReadEvent(r Reader, app string, position uint64) (*chime.Event, error) {
	list, err := readEvents(r, app, position, 1)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || list[0].Position != position {
		return nil, ErrTrimmed
	}
	return list[0], nil
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
	return readEvents(r, app, after+1, limit)
}

// readEvents reads up to limit events from the position on.
func readEvents(r Reader, app string, from uint64, limit int) (list []*chime.Event, err error) {
	rng := Range{From: K(app).Num(from), To: K(app).successor()}
	err = events.Each(r, rng, func(key Key, l run) (bool, error) {
		if err := l.place(app, key); err != nil {
			return false, err
		}
		for i := range l {
			if l[i].Position >= from && len(list) < limit {
				list = append(list, &l[i])
			}
		}
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
// position of the latest event. Of a record that also has later events nothing is removed yet.
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

// RewriteEvents has f change events of a log after one position, up to and including another, and returns
// those that it changed, for the live end of the log.
func RewriteEvents(tx Tx, app string, after, upTo uint64, f func(*chime.Event) (changed bool, err error)) (rewritten []*chime.Event, err error) {
	if after >= upTo {
		return nil, nil
	}
	rng := Range{From: K(app).Num(after + 1), To: K(app).successor()}
	err = events.Each(tx, rng, func(key Key, l run) (more bool, err error) {
		if err := l.place(app, key); err != nil {
			return false, err
		}
		changed, err := l.rewrite(after, upTo, f)
		if err == nil && len(changed) > 0 {
			rewritten = append(rewritten, changed...)
			err = events.Put(tx, key, l)
		}
		return l[len(l)-1].Position < upTo, err
	})
	return rewritten, err
}

// rewrite has f change those events of the record that lie between the positions.
func (l run) rewrite(after, upTo uint64, f func(*chime.Event) (bool, error)) (rewritten []*chime.Event, err error) {
	for i := range l {
		if l[i].Position <= after || l[i].Position > upTo {
			continue
		}
		changed, err := f(&l[i])
		if err != nil {
			return nil, err
		}
		if changed {
			e := l[i]
			rewritten = append(rewritten, &e)
		}
	}
	return rewritten, nil
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
