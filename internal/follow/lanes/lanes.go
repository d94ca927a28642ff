// Package lanes is the kit for work that is stored and done one after another in lanes: the messages of a
// channel, or the turns of a conversation. It promises:
//
//   - The work of a lane begins in the order in which it was added: for works whose callers did not wait
//     for each other that need not be the order in which they were stored. After a start, and when there
//     is more of it than a node keeps in memory, it is the order of the store. Lanes do not wait for each
//     other.
//   - A node has a bounded number of stored works in memory. The others are read from the store when half
//     of these are done.
//   - A work that is queued or being done is not queued again.
//
// Work that is not stored is queued at once: its caller bounds how much there is.
package lanes

import (
	"context"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/follow"
)

// retry is how long a failed look into the store rests.
const retry = 5 * time.Second

// Options of a Queue. All are required.
type Options[L comparable, W any] struct {
	Most   int            // works in memory
	Lane   func(W) L      // where the work is done
	Key    func(W) string // of the work alone
	Stored func(W) bool   // whether the store has it, from before Add until Done
}

// Queue holds work in memory. It is safe for concurrent use.
type Queue[L comparable, W any] struct {
	o    Options[L, W]
	wake chan struct{} // holds one token when there may be something to do

	mu      sync.Mutex
	lanes   map[L][]W           // those that are worked on, or are ready to be
	ready   []L                 // those on which work has to begin
	known   map[string]struct{} // keys of what is queued or being done
	behind  bool                // the store may have more
	reading bool
	late    []W // added while the store is read, which may not have them
}

// New makes a Queue, which reads the store first.
func New[L comparable, W any](o Options[L, W]) *Queue[L, W] {
	return &Queue[L, W]{o: o, wake: make(chan struct{}, 1), lanes: map[L][]W{}, known: map[string]struct{}{}, behind: true}
}

// Add queues works, in their order. Those that are stored are so already.
func (q *Queue[L, W]) Add(works ...W) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range works {
		switch {
		case !q.o.Stored(w) || !q.behind:
			q.put(w)
		case q.reading && len(q.late) <= q.o.Most:
			q.late = append(q.late, w)
		}
	}
}

// put reports whether there was room. The caller holds mu.
func (q *Queue[L, W]) put(w W) bool {
	key := q.o.Key(w)
	if _, known := q.known[key]; known {
		return true
	}
	if len(q.known) >= q.o.Most && q.o.Stored(w) {
		q.behind = true
		return false
	}

	q.known[key] = struct{}{}
	l := q.o.Lane(w)
	if _, busy := q.lanes[l]; !busy {
		q.ready = append(q.ready, l)
		q.wakeUp()
	}
	q.lanes[l] = append(q.lanes[l], w)
	return true
}

// Next takes the first work of a lane. When there is none, the lane ends.
func (q *Queue[L, W]) Next(l L) (w W, found bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.lanes[l]
	if len(waiting) == 0 {
		delete(q.lanes, l)
		return w, false
	}
	q.lanes[l] = waiting[1:]
	return waiting[0], true
}

// Done notes that a work is done, and not stored any more.
func (q *Queue[L, W]) Done(w W) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.known, q.o.Key(w))
	if q.behind && len(q.known) <= q.o.Most/2 {
		q.wakeUp()
	}
}

// ReadAgain has the store read from its beginning, which offers what it did not offer before.
func (q *Queue[L, W]) ReadAgain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.behind, q.reading = true, false
	q.wakeUp()
}

// SkipRead says, before Run, that what the store has is others' to do: it is not read at first.
func (q *Queue[L, W]) SkipRead() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.behind = false
}

// Len is how many works are queued or being done.
func (q *Queue[L, W]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.known)
}

// Run has work done until ctx ends, and returns when what was begun has ended. Read offers what is stored, in
// its order, until there is no room. Work takes the works of a lane with Next until there is none, and ends each
// with Done.
func (q *Queue[L, W]) Run(ctx context.Context, read func(ctx context.Context, offer func(W) bool) error, work func(ctx context.Context, l L)) {
	var working sync.WaitGroup
	defer working.Wait()
	for ctx.Err() == nil {
		if q.beginRead() && !q.endRead(read(ctx, q.offer)) {
			working.Go(func() {
				follow.Sleep(ctx, retry)
				q.wakeUp()
			})
		}
		for _, l := range q.takeReady() {
			working.Go(func() { work(ctx, l) })
		}
		select {
		case <-ctx.Done():
		case <-q.wake:
		}
	}
}

func (q *Queue[L, W]) takeReady() []L {
	q.mu.Lock()
	defer q.mu.Unlock()
	ready := q.ready
	q.ready = nil
	return ready
}

// beginRead reports whether the store has to be read now.
func (q *Queue[L, W]) beginRead() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reading = q.behind && len(q.known) <= q.o.Most/2
	return q.reading
}

// offer is put for what is read from the store.
func (q *Queue[L, W]) offer(w W) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.reading && !q.put(w) {
		q.reading = false // what is added from now on is read later
	}
	return q.reading
}

// endRead notes that the store was read, as far as there was room, and queues what was added meanwhile. It
// reports whether that succeeded.
func (q *Queue[L, W]) endRead(failed error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	late := q.late
	q.late = nil
	if !q.reading || failed != nil {
		q.reading = false
		return failed == nil
	}

	// More than that was added: the next look finds it.
	q.reading, q.behind = false, len(late) > q.o.Most
	for _, w := range late {
		if q.behind || !q.put(w) {
			q.wakeUp()
			break
		}
	}
	return true
}

func (q *Queue[L, W]) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
