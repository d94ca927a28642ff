package outbox

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
)

// A frame whose content is removed after the frame was made and before it was taken is not sent as
// it is. A group notes each event that removes content, and a queue compares its frames with the notes
// when its transport takes some: without a new note that is one comparison of numbers. A frame that a
// note is about is made again by a reader from the message as it is now, and until then nothing is
// taken, so that the order stays.

// removals are the latest events that removed content, oldest first. A value is never changed.
type removals struct {
	list []*chime.Event
	// from is the position behind which list has all, last that of the newest.
	from, last uint64
}

// keptRemovals are more than come between two turns of a session's transport. A frame that waited
// longer is made again as if it were concerned.
const keptRemovals = 256

// Remove notes an event that removes content. It is called in the order of the log, by one goroutine,
// before the event is pushed.
func (g *Group) Remove(e *chime.Event) { g.removals.Store(g.removals.Load().with(e)) }

// with is the same with one more.
func (r *removals) with(e *chime.Event) *removals {
	next := &removals{list: append(slices.Clone(r.list), e), from: r.from, last: e.Position}
	if len(next.list) > keptRemovals {
		next.from = next.list[0].Position
		next.list = next.list[1:]
	}
	return next
}

// concern reports whether a removal after the position may be one of what the frame carries.
func (r *removals) concern(f *Frame, after uint64) bool {
	if f.Event == nil {
		return false
	}
	after = max(after, f.Event.Position)
	return after < r.from || slices.ContainsFunc(r.list, func(e *chime.Event) bool {
		return e.Position > after && e.Withdraws(f.Event)
	})
}

// isStale compares the frames of the queue with the removals since it did so before, and reports
// whether some have to be made again. The caller holds mu.
func (q *Queue) isStale(r *removals) bool {
	stale := func(f *Frame) bool { return r.concern(f, q.checked) }
	if slices.ContainsFunc(q.live, stale) || q.ahead != nil && slices.ContainsFunc(q.ahead.frames, stale) {
		return true
	}
	q.checked = r.last
	return false
}

// remakes has stale frames made again, and reports whether the queue is to be given to the readers. The
// caller holds mu.
func (q *Queue) remakes() bool {
	if q.ahead == nil {
		q.ahead = new(ahead)
	}
	q.ahead.stale = true
	return q.readsMore()
}

// remake makes the frames again that the known removals concern.
func (q *Queue) remake(a *ahead, known *removals) error {
	q.mu.Lock()
	stale := slices.DeleteFunc(slices.Concat(a.frames, q.live), func(f *Frame) bool { return !known.concern(f, q.checked) })
	q.mu.Unlock()

	made, err := q.session.Remake(stale)
	if err != nil {
		return err
	}

	q.mu.Lock()
	defer q.mu.Unlock()
	a.stale = false
	if q.closed {
		return nil
	}
	a.frames, q.live = replaced(a.frames, made), replaced(q.live, made)
	q.bytes = size(q.live)
	q.checked = max(q.checked, known.last)
	return nil
}

// replaced are the frames with those that were made again in their places.
func replaced(frames []*Frame, made map[*Frame]*Frame) []*Frame {
	kept := frames[:0]
	for _, f := range frames {
		if again, stale := made[f]; stale {
			f = again
		}
		if f != nil {
			kept = append(kept, f)
		}
	}
	clear(frames[len(kept):])
	return kept
}
