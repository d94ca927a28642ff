package outbox

import (
	"math"
	"sync/atomic"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
)

// Frame is what goes out as one unit. The queues that it is in share it, so it does not change.
type Frame struct {
	Bytes []byte
	// Event is what the frame is of when it carries content that may be removed, else nil.
	Event *chime.Event
}

// Session is what a queue needs of the session that it belongs to.
type Session interface {
	// Ready notifies the transport that there are frames to take. It is called without the queue's lock,
	// but may be under locks of those that push, so it must not block or call back.
	Ready()
	// Write is Ready from a caller without locks, so that the transport may take the frames at once.
	Write()
	// Remake makes frames again of the same events as the store has them now; nil for one that is not
	// to be sent any more.
	Remake(stale []*Frame) (made map[*Frame]*Frame, err error)
	// Fail ends the session after an error of Remake or of its Source.
	Fail(err error)
}

// Group is what the queues that are filled from one log have in common.
type Group struct {
	readers  *Readers
	maxBytes int32
	removals atomic.Pointer[removals]
}

// NewGroup makes a group of queues of which each holds at most maxBytes bytes of pushed frames, or a
// single longer frame.
func NewGroup(maxBytes int, readers *Readers) *Group {
	g := &Group{readers: readers, maxBytes: int32(min(maxBytes, math.MaxInt32/2))}
	g.removals.Store(new(removals))
	return g
}

// Queue holds the frames of one session. Init makes it ready for use; it may not be copied.
type Queue struct {
	session Session
	group   *Group

	mu       lockorder.Mutex[lockorder.Outbox]
	notified bool // Ready was called and there was something to take since
	closed   bool
	bytes    int32 // of all frames in live
	live     []*Frame
	after    uint64 // events of the log up to here are not for live
	checked  uint64 // live and ahead have nothing that removals up to here removed
	ahead    *ahead // nil when nothing goes out before live
}

// Init sets whose queue it is. It is called once, before anything else.
func (q *Queue) Init(s Session, g *Group) { q.session, q.group = s, g }

// Open lets the session take the first frames and what is pushed from then on: events after a position
// of the log. With a source, what that reads goes out between the two. While held is set, pushed frames
// wait until the source calls Release.
func (q *Queue) Open(after uint64, first []*Frame, source Source, held bool) {
	q.mu.Lock()
	q.after = after
	if source != nil {
		q.ahead = &ahead{frames: first, source: source, held: held}
	} else {
		q.live, q.bytes = first, size(first)
	}
	notify := q.notify()
	q.mu.Unlock()
	if notify {
		q.session.Ready()
	}
}

// Push puts a frame at the end of the queue, unless it is of an event of the log, at the position, that
// is in the queue already or is read for it; position 0 is that of a frame that is in no log. It reports
// false when the frame has no room: the reader is too slow.
func (q *Queue) Push(f *Frame, position uint64) (ok bool) {
	q.mu.Lock()
	notify, ok := q.push(f, position)
	q.mu.Unlock()
	if notify {
		q.session.Ready()
	}
	return ok
}

// PushAll does so with the frames of events, in their order, and returns how many bytes of pushed frames wait
// then. Ephemeral events are in no log. With write it calls Write of the session in the place of Ready.
func (q *Queue) PushAll(frames []*Frame, events []*chime.Event, write bool) (waiting int, ok bool) {
	q.mu.Lock()
	notify := false
	for i, f := range frames {
		if q.live == nil && !q.closed {
			q.live = make([]*Frame, 0, len(frames)-i)
		}
		var first bool
		if first, ok = q.push(f, logged(events[i])); !ok {
			break
		}
		notify = notify || first
	}
	if len(q.live) == 0 {
		q.live = nil // an idle session keeps no memory
	}
	waiting = int(q.bytes)
	q.mu.Unlock()
	switch {
	case notify && write:
		q.session.Write()
	case notify:
		q.session.Ready()
	}
	return waiting, ok
}

// logged is the position of an event in the log, 0 when it is in none.
func logged(e *chime.Event) uint64 {
	if e.Ephemeral {
		return 0
	}
	return e.Position
}

// push does so for a caller that holds mu, and reports whether Ready is to be called.
func (q *Queue) push(f *Frame, position uint64) (notify, ok bool) {
	held := q.ahead != nil && q.ahead.held
	if held {
		q.ahead.pushed = max(q.ahead.pushed, position)
	}
	if q.closed || position != 0 && position <= q.after {
		return false, true
	}
	full := q.bytes > 0 && int(q.bytes)+len(f.Bytes) > int(q.group.maxBytes)
	switch {
	case full && held: // it waits for no reader, but for the log, which has the frames too
		q.ahead.dropped = true
		q.live, q.bytes = nil, 0
		return false, true
	case full:
		return false, false
	case held && q.ahead.dropped:
		return false, true
	}
	q.live = append(q.live, f)
	q.bytes += int32(len(f.Bytes))
	return !held && q.notify(), true
}

// notify reports whether Ready has to be called, which the caller does without mu.
func (q *Queue) notify() bool {
	first := !q.notified
	q.notified = true
	return first
}

// Take appends waiting frames to frames, in order, up to about maxBytes but at least one; the frames of a
// line are taken together. When there are none, Ready will be called before there are.
func (q *Queue) Take(frames [][]byte, maxBytes int) [][]byte {
	before := len(frames)
	q.mu.Lock()
	frames, read := q.take(frames, maxBytes)
	q.notified = len(frames) > before
	q.mu.Unlock()
	if read {
		q.group.readers.add(q)
	}
	return frames
}

// take does so for a caller that holds mu, and reports whether something is to be read for the queue.
func (q *Queue) take(frames [][]byte, maxBytes int) (_ [][]byte, read bool) {
	// Nothing overtakes a frame that has to be made again.
	if r := q.group.removals.Load(); r.last > q.checked && q.isStale(r) {
		return frames, q.remakes()
	}

	taken := 0
	if a := q.ahead; a != nil {
		n := fitting(a.frames, maxBytes, &taken)
		frames = appendBytes(frames, a.frames[:n])
		if a.frames = a.frames[n:]; len(a.frames) == 0 {
			a.frames = nil
			read = q.readsMore()
		}
		if a.held || len(a.frames) > 0 {
			return frames, read
		}
	}

	begun := taken
	n := fitting(q.live, maxBytes, &taken)
	frames = appendBytes(frames, q.live[:n])
	q.bytes -= int32(taken - begun)
	clear(q.live[:n])
	if q.live = q.live[n:]; len(q.live) == 0 {
		q.live = nil // an idle session keeps no memory
	}
	return frames, read
}

func appendBytes(to [][]byte, frames []*Frame) [][]byte {
	for _, f := range frames {
		to = append(to, f.Bytes)
	}
	return to
}

// fitting counts the frames that fit into maxBytes beside the taken bytes, but at least one, with the rest
// of its line, when none are taken. It adds their bytes to taken.
func fitting(frames []*Frame, maxBytes int, taken *int) (n int) {
	var line []byte
	inLine := *taken == 0
	for n < len(frames) {
		next := frames[n].Bytes
		if n == 0 {
			line = next
		} else if inLine {
			line, inLine = Extend(line, next)
		}
		if !inLine && *taken+len(next) > maxBytes {
			break
		}
		*taken += len(next)
		n++
	}
	return n
}

func size(frames []*Frame) (bytes int32) {
	for _, f := range frames {
		bytes += int32(len(f.Bytes))
	}
	return bytes
}

// IsPast reports whether the queue is open, has nothing left to read, and began before a position of
// the log: what is pushed now follows everything that it was given up to there.
func (q *Queue) IsPast(position uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.closed && q.ahead == nil && position > q.after
}

// IsClosed reports whether Close was called.
func (q *Queue) IsClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// Close drops what the queue holds and will be pushed. The first call reports true.
func (q *Queue) Close() (first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	first = !q.closed
	q.closed, q.live, q.bytes, q.ahead = true, nil, 0, nil
	return first
}
