package store

import "github.com/carillon-chat/carillon/internal/chime"

// Trace is a mark beside the log: the event at the position concerns the members of a channel, or a
// user or bot by name. With traces the events of one user are found without reading those of all
// others. They go with the log.
type Trace struct {
	Position uint64
	// Moves reports that the event, found by a user's name, makes that user join or leave a
	// channel.
	Moves bool
}

// The key of a trace has its part of the app instance's log before the channel or user, so that old
// parts can be removed as ranges.
const tracePart = 18 // bits of a position within a part

func traceKey(position uint64, app, uid, who string) Key {
	k := make(Key, 0, len(app)+len(uid)+len(who)+moreColumns) // also for the position
	return k.Str(app).Num(position >> tracePart).Str(uid).Str(who)
}

// manyOnly is from how many members on an event that is for some alone is marked for all of its channel, of
// which each member finds in the event whether it is meant: a mark for each would take long to write.
const manyOnly = 100

// PutTraces marks an event for its readers: its channel's members, unless it is for a few of them alone, all
// that it names, and all of an app instance when it changes what every channel shows.
func PutTraces(tx Tx, e chime.Event) error {
	position := e.Position
	if e.Kind().Stale {
		if err := putTrace(tx, position, e.App, "", "", false); err != nil {
			return err
		}
	}
	only := e.Only
	if e.Channel != "" && len(only) > manyOnly {
		only = nil
	}
	if e.MessageType != "" && only == nil && e.Channel != "" {
		if err := putTrace(tx, position, e.App, e.Channel, e.Sub, false); err != nil {
			return err
		}
	}
	for i, refs := range [...][]chime.Ref{only, e.Also, e.Join, e.Leave} { // a move is marked last
		for _, ref := range refs {
			if err := putTrace(tx, position, e.App, "", string(ref), i >= 2); err != nil {
				return err
			}
		}
	}
	return nil
}

func putTrace(tx Tx, position uint64, app, uid, who string, moves bool) error {
	var value [1]byte
	if moves {
		value[0] = 1
	}
	return tx.Put(TableTraces, traceKey(position, app, uid, who).Num(position), value[:])
}

// ChannelTraces calls f for the events after one position, up to and including another, that
// concern the members of a channel, or of a sub-channel, until f returns false or an error.
func ChannelTraces(r Reader, at chime.Topic, after, upTo uint64, f func(Trace) (bool, error)) error {
	return eachTrace(r, at.App, at.Channel, at.Sub, after, upTo, f)
}

// UserTraces does the same for the events that name a user or bot.
func UserTraces(r Reader, app string, ref chime.Ref, after, upTo uint64, f func(Trace) (bool, error)) error {
	return eachTrace(r, app, "", string(ref), after, upTo, f)
}

// Unchanged reports whether a member of a channel, or of a sub-channel, sees the same now as at an
// earlier position of the log, apart from changes of the channel itself. It is false when the log
// no longer reaches back to there, and may be when nothing has changed.
func Unchanged(r Reader, at chime.Topic, ref chime.Ref, since, now uint64) (bool, error) {
	if since >= now {
		return since == now, nil
	}
	if reaches, err := Reaches(r, at.App, since); err != nil || !reaches {
		return false, err
	}
	same := true
	for _, trace := range [...][2]string{{at.Channel, at.Sub}, {"", string(ref)}, {"", ""}} {
		err := eachTrace(r, at.App, trace[0], trace[1], since, now, func(Trace) (bool, error) {
			same = false
			return false, nil
		})
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func eachTrace(r Reader, app, uid, who string, after, upTo uint64, f func(Trace) (bool, error)) error {
	more := true
	for first := after + 1; first <= upTo && more; first = (first>>tracePart + 1) << tracePart {
		key := traceKey(first, app, uid, who)
		last := min(upTo, first|(1<<tracePart-1))
		part := Range{From: append(Key(nil), key...).Num(first), To: key.Num(last).after()}
		err := r.Scan(TableTraces, part, func(key Key, value []byte) (_ bool, err error) {
			position, err := key.LastNumber()
			if err != nil {
				return false, err
			}
			more, err = f(Trace{Position: position, Moves: len(value) > 0 && value[0] == 1})
			return more, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ForgetTraces removes the traces of a user or bot up to and including a position: its name is in no key of
// them any more, and no session of it finds these events.
func ForgetTraces(tx Tx, app string, ref chime.Ref, upTo uint64) error {
	start, err := LogStart(tx, app)
	if err != nil {
		return err
	}
	for first := start + 1; first <= upTo; first = (first>>tracePart + 1) << tracePart {
		key := traceKey(first, app, "", string(ref))
		part := Range{From: append(Key(nil), key...), To: key.Num(min(upTo, first|(1<<tracePart-1))).after()}
		if err := tx.DeleteRange(TableTraces, part); err != nil {
			return err
		}
	}
	return nil
}

// trimTraces removes the traces of whole parts that the log has left behind.
func trimTraces(tx Tx, app string, upTo uint64) error {
	return tx.DeleteRange(TableTraces, Range{From: K(app), To: K(app).Num((upTo + 1) >> tracePart)})
}
