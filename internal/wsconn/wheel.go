package wsconn

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// lap is how many ticks lie between two pings of a connection. With pings every 30 s a tick
	// is one second, which is also how exactly credentials expire.
	lap       = 30
	slotCount = lap + 2 // a visit is at most lap+1 ticks ahead
)

// wheel holds all connections, each in the slot of the tick at which it is visited next. One
// goroutine turns it while there are any, so that connections need no timers, and pings are
// spread evenly however the connections arrived.
type wheel struct {
	interval time.Duration // between pings of a connection
	clock    func() time.Time

	mu    sync.Mutex
	tick  int64
	slots [slotCount][]*conn
	count int
	stop  chan struct{} // ends the goroutine that turns
}

// place is where a connection is. Its slot is negative when it is in none.
type place struct {
	slot   int32
	index  int32
	pingAt int64 // tick
}

// add takes a connection in. Its first ping comes at a random tick of the first lap.
func (w *wheel) add(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.place.pingAt = w.tick + 1 + rand.Int64N(lap)
	w.put(c, c.place.pingAt)
	if w.count++; w.count == 1 {
		w.stop = make(chan struct{})
		go w.turn(w.stop)
	}
}

// remove takes a connection out. The last one stops the goroutine.
func (w *wheel) remove(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take(c)
	if w.count--; w.count == 0 {
		close(w.stop)
	}
}

// all lists the connections.
func (w *wheel) all() []*conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]*conn, 0, w.count)
	for _, slot := range w.slots {
		list = append(list, slot...)
	}
	return list
}

// plan moves a connection to its next visit: its ping, or the end of its credentials if that
// comes first.
func (w *wheel) plan(c *conn, expires time.Time) {
	left := time.Duration(math.MaxInt64)
	if !expires.IsZero() {
		left = max(expires.Sub(w.clock()), 1)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.place.slot < 0 {
		return // gone meanwhile
	}
	at := c.place.pingAt
	if period := w.period(); left < lap*period {
		at = min(at, w.tick+int64((left+period-1)/period))
	}
	w.take(c)
	w.put(c, max(at, w.tick+1))
}

func (w *wheel) put(c *conn, tick int64) {
	slot := &w.slots[tick%slotCount]
	c.place.slot, c.place.index = int32(tick%slotCount), int32(len(*slot))
	*slot = append(*slot, c)
}

func (w *wheel) take(c *conn) {
	slot := &w.slots[c.place.slot]
	last := len(*slot) - 1
	moved := (*slot)[last]
	(*slot)[c.place.index], (*slot)[last] = moved, nil
	moved.place.index = c.place.index
	if *slot = (*slot)[:last]; last == 0 {
		*slot = nil
	}
	c.place.slot = -1
}

func (w *wheel) period() time.Duration { return max(w.interval/lap, time.Millisecond) }

func (w *wheel) turn(stop chan struct{}) {
	ticker := time.NewTicker(w.period())
	defer ticker.Stop()
	var due []*conn
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		due = w.advance(due[:0])
		now := w.clock()
		for _, c := range due {
			w.plan(c, c.visit(now, w.pingDue(c)))
		}
		clear(due)
	}
}

// advance turns by one tick and lists whom to visit.
func (w *wheel) advance(due []*conn) []*conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tick++
	return append(due, w.slots[w.tick%slotCount]...)
}

// pingDue tells whether the visit is for a ping, and sets the next one.
func (w *wheel) pingDue(c *conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.place.pingAt > w.tick {
		return false
	}
	c.place.pingAt = w.tick + lap
	return true
}
