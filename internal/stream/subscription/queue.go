package subscription

import (
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
)

// queue is the first pending deliveries of a subscription, as far as they are in memory, in lines: those of
// one channel wait for one another.
type queue struct {
	lines  map[string]*line // by channel
	known  map[chime.DeliveryID]bool
	last   chime.DeliveryID // that was read
	unread bool             // there may be more behind last
	atOnce bool             // what is read is due at once, whenever its next attempt was to be
	posted int              // on their way
}

// line is the deliveries of one channel, in the order of the log.
type line struct {
	waiting []chime.WebhookDelivery
	busy    bool // the first is on its way
}

// window is how many deliveries a queue has at most.
const window = MaxPending

func newQueue() *queue {
	return &queue{lines: map[string]*line{}, known: map[chime.DeliveryID]bool{}, unread: true}
}

// reset forgets all but what is on its way. What is read again is due at once.
func (q *queue) reset() {
	clear(q.known)
	for channel, l := range q.lines {
		if !l.busy {
			delete(q.lines, channel)
			continue
		}
		l.waiting = l.waiting[:1]
		q.known[l.waiting[0].DeliveryID] = true
	}
	q.last, q.unread, q.atOnce = chime.DeliveryID{}, true, true
}

// wantsMore reports whether to read more. A queue that was full is half empty first.
func (q *queue) wantsMore() bool { return q.unread && len(q.known) <= window/2 }

// add puts a delivery at the end of its line, and reports false when there is no room.
func (q *queue) add(d chime.WebhookDelivery) bool {
	if q.known[d.DeliveryID] {
		return true
	}
	if len(q.known) >= window {
		return false
	}
	if q.atOnce {
		d.Next = 0
	}
	l := q.lines[d.Channel]
	if l == nil {
		l = new(line)
		q.lines[d.Channel] = l
	}
	l.waiting = append(l.waiting, d)
	q.known[d.DeliveryID], q.last = true, d.DeliveryID
	return true
}

// read notes that all was read, or as much as there was room for.
func (q *queue) read(whole bool) {
	if whole {
		q.unread, q.atOnce = false, false
	}
}

// due takes the deliveries that are to be posted now, and returns how long to wait for others. A time that is
// further away than any wait is of a clock that was set since.
func (q *queue) due(now chime.Millis) (list []chime.WebhookDelivery, wait time.Duration) {
	wait = longestWait
	for _, l := range q.lines {
		if l.busy {
			continue
		}
		ahead := time.Duration(l.waiting[0].Next-now) * time.Millisecond
		switch {
		case ahead > 0 && ahead <= longestWait:
			wait = min(wait, ahead)
		case q.posted < atOnce:
			l.busy, q.posted = true, q.posted+1
			list = append(list, l.waiting[0])
		}
	}
	return list, wait
}

// back ends a delivery's way: it is gone from the queue, or the first of its line again with a time to wait.
func (q *queue) back(d chime.WebhookDelivery, gone bool) {
	l := q.lines[d.Channel]
	l.busy, q.posted = false, q.posted-1
	if !gone {
		l.waiting[0] = d
		return
	}
	delete(q.known, d.DeliveryID)
	if l.waiting = l.waiting[1:]; len(l.waiting) == 0 {
		delete(q.lines, d.Channel)
	}
}
