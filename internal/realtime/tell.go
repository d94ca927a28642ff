package realtime

import (
	"github.com/carillon-chat/carillon/internal/chime"
)

// told is an event for one user that waits for the log.
type told struct {
	user  userKey
	extra Extras
	event *chime.Event
}

// Tell gives events that concern one user alone to those of its sessions on this node that get the
// extra. The hub keeps the events. Each is ephemeral; its Position says up to where the log has to be
// delivered before it, so that a count does not precede the message that it counts. A user who is
// offline gets none, nor does one who is no member of the event's channel by then.
func (h *Hub) Tell(app string, user chime.Ref, extra Extras, events ...*chime.Event) {
	var slow []*Session
	h.mu.Lock()
	for _, e := range events {
		e.Ephemeral = true
		t := told{userKey{app, user}, extra, e}
		if e.Position > h.settled.Load() {
			h.waiting = append(h.waiting, t)
		} else {
			slow = append(slow, h.tell(t)...)
		}
	}
	h.mu.Unlock()

	for _, s := range slow {
		h.endSlow(s)
	}
}

// tell puts an event into the queues of its user and returns the sessions without room for it. It
// does so under mu, which the caller holds: a member that leaves the channel gets nothing later.
func (h *Hub) tell(t told) (slow []*Session) {
	m := h.users[t.user]
	if m == nil || m.loading != nil || !h.in(m, t.event) {
		return nil
	}
	frames := frames{hub: h, event: t.event}
	for _, s := range m.sessions {
		if s.extras&t.extra != 0 && !s.push(frames.as(s.form), t.event) {
			slow = append(slow, s)
		}
	}
	return slow
}

// reached notes that the queues have everything up to a position of the log, and tells what waited
// for it.
func (h *Hub) reached(position uint64) {
	var slow []*Session
	h.mu.Lock()
	h.settled.Store(position)
	waiting := h.waiting
	h.waiting = nil
	for _, t := range waiting {
		if t.event.Position > position {
			h.waiting = append(h.waiting, t)
		} else {
			slow = append(slow, h.tell(t)...)
		}
	}
	h.mu.Unlock()

	for _, s := range slow {
		h.endSlow(s)
	}
}
