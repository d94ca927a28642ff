package realtime

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Deliver hands events, in the order of the log, to everybody whom they concern. It never
// waits for a receiver.
func (h *Hub) Deliver(events []*chime.Event) {
	for _, e := range events {
		h.deliver(e)
	}
}

func (h *Hub) deliver(e *chime.Event) {
	h.mu.Lock()
	for m := range h.loading {
		if m.app == e.App {
			m.pending = append(m.pending, e)
		}
	}
	h.joined(e)
	h.receivers = h.audience(h.receivers[:0], e)
	h.left(e)
	kicked := h.kicked(e)
	h.mu.Unlock()

	if len(h.receivers) > 0 {
		frame := h.frame(e)
		for _, s := range h.receivers {
			if !s.push(frame) {
				h.endSlow(s)
			}
		}
		clear(h.receivers) // keep no closed session alive
	}
	for _, s := range kicked {
		h.end(s, CloseForbidden, "the app instance user was deleted")
	}
}

func channelOf(e *chime.Event) channelKey { return channelKey{e.App, e.Channel, e.Sub} }

// audience collects the sessions that get the event.
func (h *Hub) audience(to []*Session, e *chime.Event) []*Session {
	if e.MessageType == "" {
		return to
	}
	if e.Only != nil {
		return h.sessionsOf(to, e)
	}
	online := h.channels[channelOf(e)]
	for m := range online {
		if m.follows(e) {
			to = append(to, m.sessions...)
		}
	}
	for _, ref := range e.Also {
		if m := h.users[userKey{e.App, ref}]; m != nil && m.follows(e) {
			if _, twice := online[m]; !twice {
				to = append(to, m.sessions...)
			}
		}
	}
	return to
}

// sessionsOf collects the sessions of those whom alone the event is for, as far as they are members.
func (h *Hub) sessionsOf(to []*Session, e *chime.Event) []*Session {
	for i, ref := range e.Only {
		if m := h.users[userKey{e.App, ref}]; m != nil && m.follows(e) && m.in(e) && !slices.Contains(e.Only[:i], ref) {
			to = append(to, m.sessions...)
		}
	}
	return to
}

// in reports whether the user is where the event is. Whom an event is for was decided before it
// was put in order: who was removed in between gets nothing after its own removal.
func (m *member) in(e *chime.Event) bool {
	_, in := m.channels[channelOf(e)]
	return in || e.Channel == ""
}

func (h *Hub) joined(e *chime.Event) {
	for _, ref := range e.Join {
		if m := h.users[userKey{e.App, ref}]; m != nil && m.follows(e) {
			h.join(m, channelOf(e))
		}
	}
}

func (h *Hub) left(e *chime.Event) {
	key := channelOf(e)
	for _, ref := range e.Leave {
		if m := h.users[userKey{e.App, ref}]; m != nil && m.follows(e) {
			h.part(m, key)
		}
	}
	if e.Type == chime.EventDeleteChannel {
		for m := range h.channels[key] {
			h.part(m, key)
		}
	}
}

// kicked lists the sessions of users who are gone with the event.
func (h *Hub) kicked(e *chime.Event) []*Session {
	switch e.Type {
	case chime.EventDeleteUser:
		if m := h.users[userKey{e.App, e.Subject}]; m != nil && (!m.loaded || m.follows(e)) {
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
	key := channelOf(e)
	if slices.Contains(e.Join, m.user) {
		h.join(m, key)
	}
	gets := m.in(e) && (e.Only == nil || slices.Contains(e.Only, m.user))
	if gets = gets || slices.Contains(e.Also, m.user); gets && e.MessageType != "" {
		frame := h.frame(e)
		for _, s := range m.sessions {
			if !s.push(frame) {
				slow = append(slow, s)
			}
		}
	}
	if e.Type == chime.EventDeleteChannel || slices.Contains(e.Leave, m.user) {
		h.part(m, key)
	}
	return slow
}

// frame encodes an event as spec 4.3 has it. Payload is a string that holds JSON.
func (h *Hub) frame(e *chime.Event) []byte {
	text := make([]byte, 0, 160+len(e.Payload)+len(e.Payload)/8)
	text = append(text, `{"Headers":{"x-amz-chime-event-type":"`...)
	text = append(text, e.Type...)
	text = append(text, `","x-amz-chime-message-type":"`...)
	text = append(text, e.MessageType...)
	if e.Reason != "" {
		text = append(text, `","x-amz-chime-event-reason":"`...)
		text = append(text, e.Reason...)
	}
	text = append(text, `"}`...)
	if len(e.Payload) > 0 {
		text = append(text, `,"Payload":`...)
		text, _ = jsontext.AppendQuote(text, e.Payload) // invalid UTF-8 is replaced; ours is valid
	}
	return h.opts.Frame(append(text, '}'), false)
}

func (h *Hub) established() []byte {
	return h.frame(&chime.Event{Type: chime.EventSessionEstablished, MessageType: chime.MessageTypeSystem})
}
