package outbox

import (
	"runtime"

	"github.com/carillon-chat/carillon/internal/lockorder"
)

// Source reads what goes out ahead of the frames that are pushed to a queue. It is called by one
// goroutine at a time.
type Source interface {
	// Read returns the next frames, about a piece of them, and whether there may be more. It may call
	// the queue's Release.
	Read(q *Queue) (piece []*Frame, more bool, err error)
}

// ahead is what goes out before the live frames of a queue, whose mu guards it.
type ahead struct {
	frames []*Frame
	source Source // nil when nothing is left to read
	busy   bool   // a reader works on it
	read   uint64 // removals up to here were known when the piece at hand was read

	// held keeps the live frames back until the replay has ended. When that takes so long that they
	// need too much room, they are dropped and read from the log as well. pushed is the position of the
	// latest event that came, dropped or not.
	held, dropped bool
	pushed        uint64

	stale bool // frames of the queue are to be made again before anything is taken
}

// Release ends the hold: these frames go out next and then those that were pushed, which are of events
// after a position of the log. When some of those are not in the queue, it reports false and holds on:
// what is up to the position that it returns is not in the queue, all that is later is or will be.
func (q *Queue) Release(after uint64, frames []*Frame) (upTo uint64, released bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.ahead
	if a == nil { // closed
		return after, true
	}
	if a.dropped {
		a.dropped = false
		q.after = max(q.after, a.pushed)
		return q.after, false
	}
	if after < q.after && after < a.pushed { // the source promised to read what came up to q.after
		q.after = min(q.after, a.pushed)
		return q.after, false
	}
	q.after, a.held = after, false
	a.frames = append(a.frames, frames...)
	q.checked = min(q.checked, a.read)
	return after, true
}

// readsMore reports whether the queue is to be given to the readers, and ends ahead when nothing is left
// to read. The caller holds mu.
func (q *Queue) readsMore() bool {
	a := q.ahead
	if a.busy {
		return false
	}
	if a.source == nil && !a.stale {
		q.ahead = nil
		return false
	}
	a.busy = true
	return true
}

// read has the next piece read, or stale frames made again.
func (q *Queue) read() {
	known := q.group.removals.Load() // before the store is read
	q.mu.Lock()
	a := q.ahead
	if a == nil { // closed
		q.mu.Unlock()
		return
	}
	source, stale := a.source, a.stale
	a.read = known.last
	q.mu.Unlock()

	var piece []*Frame
	var err error
	more := source != nil
	if stale {
		err = q.remake(a, known)
	} else {
		piece, more, err = source.Read(q)
	}
	if err != nil {
		q.session.Fail(err)
		return
	}
	q.give(a, piece, more)
}

// give puts a piece that was read ahead of the live frames.
func (q *Queue) give(a *ahead, piece []*Frame, more bool) {
	q.mu.Lock()
	a.busy = false
	if q.closed {
		q.mu.Unlock()
		return
	}
	if len(piece) > 0 {
		a.frames = append(a.frames, piece...)
		q.checked = min(q.checked, a.read)
	}
	if !more {
		a.source = nil
	}
	again := a.stale && q.readsMore() // asked for in the meantime
	notify := !again && q.notify()
	q.mu.Unlock()

	if again {
		q.group.readers.add(q)
	}
	if notify {
		q.session.Ready()
	}
}

// Readers are the goroutines that read for queues: few, so that clients that return together are
// served one after the other and the store has time for other work. The zero value is ready for use.
type Readers struct {
	mu      lockorder.Mutex[lockorder.Readers]
	waiting []*Queue
	running int
}

// maxReaders leaves half of the cores to other work.
var maxReaders = max(1, runtime.GOMAXPROCS(0)/2)

func (r *Readers) add(q *Queue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, q)
	if r.running < maxReaders {
		r.running++
		go r.work()
	}
}

// work reads until no queue waits.
func (r *Readers) work() {
	for q := r.next(); q != nil; q = r.next() {
		q.read()
	}
}

// next returns the queue that has waited longest, nil when the goroutine is to end.
func (r *Readers) next() *Queue {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.waiting = nil
		r.running--
		return nil
	}
	q := r.waiting[0]
	r.waiting[0] = nil
	r.waiting = r.waiting[1:]
	return q
}
