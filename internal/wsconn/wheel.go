package wsconn

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/carillon-chat/carillon/internal/lockorder"
)

const (
	// ticksPerPing is how many ticks lie at least between two pings of a connection. With pings
	// every 30 s a tick is one second, which is also how exactly credentials expire.
	ticksPerPing = 30
	slotCount    = ticksPerPing + 2
)

// wheel holds all connections, each in the slot of the tick at which it is visited next. One
// goroutine turns it while there are any, so that connections need no timers, and pings are
// spread evenly however the connections arrived.
type wheel struct {
	clock  func() time.Time
	began  time.Time     // with a monotonic reading: setting the machine's clock moves no end
	period time.Duration // of a tick
	lap    int64         // ticks between pings of a connection

	mu    lockorder.Mutex[lockorder.Wheel]
	tick  int64
	slots [slotCount][]*conn
	count int
	stop  chan struct{} // ends the goroutine that turns
}

// wheelEntry is a connection's position in the wheel, and what it is visited for. Its slot is
// negative when it is in none.
type wheelEntry struct {
	slot   int32
	index  int32
	at     int64 // tick of the next visit
	pingAt int64 // tick
	lateAt int64 // tick; 0: never
}

// init sets the times. A tick is short enough for the shortest of them.
func (w *wheel) init(o *Options) {
	w.clock, w.began = o.Now, o.Now()
	w.period = max(min(o.PingInterval/ticksPerPing, o.WriteTimeout/3, o.CloseTimeout/3), time.Millisecond)
	w.lap = int64(max((o.PingInterval+w.period/2)/w.period, 1))
}

// add takes a connection in. It is visited at the next tick, unless plan is called before. Its first ping
// comes at a random tick of the first lap.
func (w *wheel) add(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.entry.pingAt = w.tick + 1 + rand.Int64N(w.lap)
	w.put(c, w.tick+1)
	if w.count++; w.count == 1 {
		w.stop = make(chan struct{})
		go w.turn(w.stop)
	}
}

// untilEnd is the time from began to the end of credentials, which is given as a time of day. It is
// not zero.
func (w *wheel) untilEnd(expires time.Time) time.Duration {
	now := w.clock()
	return max(now.Sub(w.began)+expires.Sub(now), time.Microsecond)
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

// plan moves a connection to its next visit: its ping, or what comes before it, the end of its
// credentials or of a bound.
func (w *wheel) plan(c *conn, expires time.Time) {
	left := time.Duration(math.MaxInt64 / 2)
	if !expires.IsZero() {
		left = min(max(expires.Sub(w.clock()), 1), left)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.entry.slot < 0 {
		return // gone meanwhile
	}
	at := min(c.entry.pingAt, w.tick+w.ticks(left))
	if c.entry.lateAt > 0 {
		at = min(at, c.entry.lateAt)
	}
	w.move(c, max(at, w.tick+1))
}

// bound has conn.late called in so much time and at most a tick more; 0 takes that back.
func (w *wheel) bound(c *conn, limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.entry.lateAt = 0; limit == 0 || c.entry.slot < 0 {
		return
	}
	c.entry.lateAt = w.tick + 1 + w.ticks(limit)
	w.move(c, min(c.entry.at, c.entry.lateAt))
}

// ticks rounds up.
func (w *wheel) ticks(d time.Duration) int64 { return int64((d + w.period - 1) / w.period) }

func (w *wheel) move(c *conn, tick int64) {
	w.take(c)
	w.put(c, tick)
}

func (w *wheel) put(c *conn, tick int64) {
	slot := &w.slots[tick%slotCount]
	c.entry.slot, c.entry.index, c.entry.at = int32(tick%slotCount), int32(len(*slot)), tick
	*slot = append(*slot, c)
}

func (w *wheel) take(c *conn) {
	slot := &w.slots[c.entry.slot]
	last := len(*slot) - 1
	moved := (*slot)[last]
	(*slot)[c.entry.index], (*slot)[last] = moved, nil
	moved.entry.index = c.entry.index
	if *slot = (*slot)[:last]; last == 0 {
		*slot = nil
	}
	c.entry.slot = -1
}

func (w *wheel) turn(stop chan struct{}) {
	ticker := time.NewTicker(w.period)
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
			ping, late := w.reasons(c)
			w.plan(c, c.visit(now, ping, late))
		}
		clear(due)
	}
}

// advance turns by one tick and lists the connections to visit.
func (w *wheel) advance(due []*conn) []*conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tick++
	for _, c := range w.slots[w.tick%slotCount] {
		if c.entry.at <= w.tick {
			due = append(due, c)
		}
	}
	return due
}

// reasons returns what the visit is for, and sets the next ping.
func (w *wheel) reasons(c *conn) (ping, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if late = c.entry.lateAt > 0 && c.entry.lateAt <= w.tick; late {
		c.entry.lateAt = 0
	}
	if ping = c.entry.pingAt <= w.tick; ping {
		c.entry.pingAt = w.tick + w.lap
	}
	return ping, late
}
