package flow

import (
	"context"
	"sync"

	"github.com/carillon-chat/carillon/internal/message"
)

// Invocation is one call of a processor.
type Invocation struct {
	Lambda   string // ARN of the processor
	Callback string // CallbackId: the same each time that the invocation is tried
	Event    []byte // JSON
}

// Invoker invokes processors at one end. Implementations are pointers: as many invocations run at once at
// each of them as Runner allows.
type Invoker interface {
	// Invoke hands an event to a processor. The answer is the body of a ChannelFlowCallback, or nil when
	// the processor will call back. An error is worth another attempt.
	Invoke(ctx context.Context, call Invocation) (answer []byte, err error)
}

// Ends finds the Invoker for the Lambda ARN of a processor, nil when there is none.
type Ends func(lambda string) Invoker

// maxQueued bounds the invocations that a node has in memory. Of messages that are stored the others are
// read when half of it are done.
const maxQueued = 10_000

// lane is where invocations are made one after another: a channel, or a sub-channel.
type lane struct{ app, channel, sub string }

func laneOf(w message.Waiting) lane { return lane{w.App, w.Channel.UID, w.Channel.Sub} }

// Queue holds the invocations that are to be made. It is what package message needs of processors, and is
// safe for concurrent use.
type Queue struct {
	ends Ends
	most int
	wake chan struct{} // holds one token when there may be something to do

	mu     sync.Mutex
	lanes  map[lane][]message.Waiting // that are worked on, or are ready to be
	ready  []lane
	known  map[string]struct{} // CallbackIds of what waits or is being tried
	behind bool                // the store may have more
}

// NewQueue makes a Queue for the processors that ends finds.
func NewQueue(ends Ends) *Queue {
	return &Queue{
		ends: ends, most: maxQueued, wake: make(chan struct{}, 1),
		lanes: map[lane][]message.Waiting{}, known: map[string]struct{}{}, behind: true,
	}
}

// Reaches implements message.Processors.
func (q *Queue) Reaches(lambda string) bool { return q.ends(lambda) != nil }

// Invoke implements message.Processors.
func (q *Queue) Invoke(w message.Waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(w)
}

// add reports whether there was room. The caller holds mu.
func (q *Queue) add(w message.Waiting) bool {
	if _, known := q.known[w.Callback]; known {
		return true
	}
	if len(q.known) >= q.most && !w.Live { // of live ones there are few, and they are nowhere else
		q.behind = true
		return false
	}

	q.known[w.Callback] = struct{}{}
	l := laneOf(w)
	if _, busy := q.lanes[l]; !busy {
		q.ready = append(q.ready, l)
		q.wakeUp()
	}
	q.lanes[l] = append(q.lanes[l], w)
	return true
}

// takeReady returns the lanes on which work has to begin.
func (q *Queue) takeReady() []lane {
	q.mu.Lock()
	defer q.mu.Unlock()
	ready := q.ready
	q.ready = nil
	return ready
}

// next takes the first invocation of a lane. When there is none, the lane ends.
func (q *Queue) next(l lane) (w message.Waiting, found bool) {
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

// done notes that an invocation came to an end.
func (q *Queue) done(w message.Waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.known, w.Callback)
	if q.behind && len(q.known) <= q.most/2 {
		q.wakeUp()
	}
}

// catchUp reports whether the store has to be read, and expects it to be.
func (q *Queue) catchUp() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.behind || len(q.known) > q.most/2 {
		return false
	}
	q.behind = false
	return true
}

// offer is add for what is read from the store.
func (q *Queue) offer(w message.Waiting) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.add(w)
}

// fellBehind notes that the store could not be read.
func (q *Queue) fellBehind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.behind = true
}

func (q *Queue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// length is how many invocations are queued or being tried.
func (q *Queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.known)
}
