package realtime

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Deliver hands events, in the order of the log, to everybody whom they concern. It never
// waits for a receiver.
func (h *Hub) Deliver(events []*chime.Event) {
	for _, e := range events {
		h.deliver(e)
	}
	if len(events) > 0 {
		h.reached(events[len(events)-1].Position)
	}
}

func (h *Hub) deliver(e *chime.Event) {
	if e.Removes() {
		h.removals.Store(h.removals.Load().with(e))
	}
	h.mu.Lock()
	h.position = e.Position
	for m := range h.loading {
		if m.app == e.App {
			m.loading.pending = append(m.loading.pending, e)
		}
	}
	h.joined(e)
	h.receivers = h.audience(h.receivers[:0], e)
	if extra := extraOf(e); extra != 0 {
		h.receivers = listening(h.receivers, extra, e)
	}
	h.left(e)
	kicked := h.kicked(e)
	h.stats.Delivered += uint64(len(h.receivers))
	h.mu.Unlock()

	frames := frames{hub: h, event: e}
	for _, s := range h.receivers {
		if !s.push(frames.as(s.form), e) {
			h.endSlow(s)
		}
	}
	clear(h.receivers) // keep no closed session alive
	for _, s := range kicked {
		h.end(s, CloseForbidden, "the app instance user was deleted")
	}
}

// audience collects the sessions that get the event.
func (h *Hub) audience(to []*Session, e *chime.Event) []*Session {
	if e.MessageType == "" {
		return to
	}
	if e.Only != nil {
		return h.sessionsOf(to, e)
	}
	online := h.rooms[e.Topic]
	if online != nil {
		for _, g := range online.online {
			if g.follows(e) {
				to = append(to, g.sessions...)
			}
		}
	}
	for _, ref := range e.Also {
		m := h.users[userKey{e.App, ref}]
		if m != nil && m.follows(e) && (online == nil || m.seatIn(online) < 0) {
			to = append(to, m.sessions...)
		}
	}
	return to
}

// sessionsOf collects the sessions of those whom alone the event is for, as far as they are members.
func (h *Hub) sessionsOf(to []*Session, e *chime.Event) []*Session {
	for i, ref := range e.Only {
		if m := h.users[userKey{e.App, ref}]; m != nil && m.follows(e) && h.in(m, e) && !slices.Contains(e.Only[:i], ref) {
			to = append(to, m.sessions...)
		}
	}
	return to
}

// in reports whether the user is where the event is.
func (h *Hub) in(m *member, e *chime.Event) bool {
	return e.Channel == "" || m.seatIn(h.rooms[e.Topic]) >= 0
}

func (h *Hub) joined(e *chime.Event) {
	for _, ref := range e.Join {
		if m := h.users[userKey{e.App, ref}]; m != nil && m.follows(e) {
			h.join(m, e.Topic)
		}
	}
}

func (h *Hub) left(e *chime.Event) {
	key := e.Topic
	for _, ref := range e.Leave {
		if m := h.users[userKey{e.App, ref}]; m != nil && m.follows(e) {
			h.part(m, key)
		}
	}
	if e.Type == chime.EventDeleteChannel {
		for r := h.rooms[key]; r != nil && len(r.online) > 0; {
			h.part(r.online[len(r.online)-1].member, key)
		}
	}
}

// kicked lists the sessions of users who are gone with the event.
func (h *Hub) kicked(e *chime.Event) []*Session {
	switch e.Type {
	case chime.EventDeleteUser:
		if m := h.users[userKey{e.App, e.Subject}]; m != nil && (m.loading != nil || m.follows(e)) {
			return slices.Clone(m.sessions)
		}
	case chime.EventDeleteAppInstance:
		var all []*Session
		for key, m := range h.users {
			if key.app == e.App {
				all = append(all, m.sessions...)
			}
		}
		return all
	}
	return nil
}

// catchUp does for one member what deliver does for all, and answers the sessions that have no
// room for the event.
func (h *Hub) catchUp(m *member, e *chime.Event) (slow []*Session) {
	key := e.Topic
	if slices.Contains(e.Join, m.user) {
		h.join(m, key)
	}
	if concerns(e, m.user, h.in(m, e)) {
		frames := frames{hub: h, event: e}
		sessions := m.sessions
		if extra := extraOf(e); extra != 0 {
			sessions = listening(slices.Clone(sessions), extra, e)
		}
		for _, s := range sessions {
			if !s.push(frames.as(s.form), e) {
				slow = append(slow, s)
			}
		}
	}
	if e.Type == chime.EventDeleteChannel || slices.Contains(e.Leave, m.user) {
		h.part(m, key)
	}
	return slow
}

// concerns reports whether a user gets an event of a channel that it is in or not. Whom an event is
// for was decided before it was put in order: who was removed in between gets nothing after its own
// removal.
func concerns(e *chime.Event, user chime.Ref, inside bool) bool {
	gets := inside && (e.Only == nil || slices.Contains(e.Only, user))
	return e.MessageType != "" && (gets || slices.Contains(e.Also, user))
}
