package bot

import (
	"sync"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Bounds of what a node has in memory. Of turns that are stored the others are read when half of it are
// taken; messages that are not persistent beyond it are not answered.
const (
	maxQueued = 10_000
	maxLive   = 1_000
)

// turn is what a bot has to do, on this node.
type turn struct {
	chime.BotTurn
	app string
	key store.Key // of the record; nil for a message that is not persistent
	// said is the message of a turn without record.
	said *said
}

// Queue holds the turns that are to be taken. It is safe for concurrent use.
type Queue struct {
	most int
	wake chan struct{}    // holds one token when there may be something to do
	live chan chime.Event // messages that are not persistent

	mu     sync.Mutex
	lanes  map[string][]turn   // by conversation: those that are worked on, or are ready to be
	ready  []string            // conversations
	known  map[string]struct{} // keys of records
	behind bool                // turns are left in the store
	missed bool                // since it was last read
}

// NewQueue makes a Queue.
func NewQueue() *Queue {
	return &Queue{
		most: maxQueued, wake: make(chan struct{}, 1), live: make(chan chime.Event, maxLive),
		lanes: map[string][]turn{}, known: map[string]struct{}{}, behind: true,
	}
}

// Listen returns a publisher that notes what bots may have to answer of what it hands on.
func (q *Queue) Listen(to bus.Publisher) bus.Publisher { return listener{to, q} }

type listener struct {
	bus.Publisher
	queue *Queue
}

// Publish implements bus.Publisher.
func (l listener) Publish(app string, after uint64, events ...chime.Event) {
	l.Publisher.Publish(app, after, events...)
	for i := range events {
		if !asks(&events[i]) {
			continue
		}
		select {
		case l.queue.live <- events[i]:
		default: // one that is not persistent may be lost
		}
	}
}

// add queues turns whose records are committed, in their order.
func (q *Queue) add(turns ...turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range turns {
		if q.behind && t.key != nil { // those before it are not here yet
			q.missed = true
			q.wakeUp()
			continue
		}
		q.put(t)
	}
}

// put reports whether there was room. The caller holds mu.
func (q *Queue) put(t turn) bool {
	if _, known := q.known[string(t.key)]; known && t.key != nil {
		return true
	}
	if len(q.known) >= q.most {
		q.behind, q.missed = true, true
		return false
	}
	if t.key != nil {
		q.known[string(t.key)] = struct{}{}
	}
	if _, busy := q.lanes[t.Session]; !busy {
		q.ready = append(q.ready, t.Session)
		q.wakeUp()
	}
	q.lanes[t.Session] = append(q.lanes[t.Session], t)
	return true
}

// takeReady returns the conversations in which work has to begin.
func (q *Queue) takeReady() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	ready := q.ready
	q.ready = nil
	return ready
}

// next takes the first turn of a conversation. When there is none, its lane ends.
func (q *Queue) next(session string) (t turn, found bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.lanes[session]
	if len(waiting) == 0 {
		delete(q.lanes, session)
		return t, false
	}
	q.lanes[session] = waiting[1:]
	return waiting[0], true
}

// readAgain has the turns that are left in the store read.
func (q *Queue) readAgain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.behind, q.missed = true, true
	q.wakeUp()
}

// done notes that the record of a turn is gone.
func (q *Queue) done(t turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.known, string(t.key))
	if q.behind && len(q.known) <= q.most/2 {
		q.wakeUp()
	}
}

// catchUp reports whether the store has to be read now, all of it in its order.
func (q *Queue) catchUp() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.behind || len(q.known) > q.most/2 {
		return false
	}
	q.missed = false
	return true
}

// offer is put for what is read from the store.
func (q *Queue) offer(t turn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.put(t)
}

// caughtUp notes that the store was read to its end. What was added meanwhile has to be read again.
func (q *Queue) caughtUp() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.behind = q.missed; q.behind {
		q.wakeUp()
	}
}

func (q *Queue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// length is how many turns with records are queued or being taken.
func (q *Queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.known)
}
