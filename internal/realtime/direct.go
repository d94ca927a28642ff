package realtime

import (
	"github.com/carillon-chat/carillon/internal/chime"
)

// direct is an event for one user.
type direct struct {
	user  chime.Ref
	extra chime.Extras
	event *chime.Event
}

// SendTo puts events that concern one user alone into the queues of those of its sessions on this node
// that get the extra. The hub keeps the events. Each is ephemeral; its Position says up to where the log
// has to be delivered before it, so that a count does not precede the message that it counts. A user
// gets none while it is offline, and none of a channel that it is no member of by then.
func (h *Hub) SendTo(app string, user chime.Ref, extra chime.Extras, events ...*chime.Event) {
	if r := h.roster(app); r != nil {
		r.sendTo(user, extra, events)
	}
}

func (r *roster) sendTo(user chime.Ref, extra chime.Extras, events []*chime.Event) {
	list := make([]direct, 0, len(events))
	for _, e := range events {
		e.Ephemeral = true
		list = append(list, direct{user, extra, e})
	}
	r.mu.Lock()
	slow := r.putOrWait(list)
	r.mu.Unlock()

	for _, s := range slow {
		s.endSlow()
	}
}

// putOrWait puts the events whose turn has come into queues, keeps the others, and returns the sessions
// without room. The caller holds mu.
func (r *roster) putOrWait(list []direct) (slow []*Session) {
	for _, d := range list {
		if r.isEarly(d) {
			r.waiting = append(r.waiting, d)
		} else {
			slow = append(slow, r.put(d)...)
		}
	}
	return slow
}

// isEarly reports whether the user's sessions may not have all yet that the event follows. The caller
// holds mu.
func (r *roster) isEarly(d direct) bool {
	u := r.users[d.user]
	return u != nil && u.loading == nil && d.event.Position > max(r.delivered.Load(), u.since)
}

// put puts an event into the queues of its user and returns the sessions without room for it. It
// does so under mu, which the caller holds: a member that leaves the channel gets nothing later.
func (r *roster) put(d direct) (slow []*Session) {
	u := r.users[d.user]
	if u == nil || u.loading != nil || !r.isIn(u, d.event.Topic) {
		return nil
	}
	one := []*chime.Event{d.event}
	frames := frames{env: r.env, events: one}
	for _, s := range u.sessions {
		if s.extras&d.extra == 0 {
			continue
		}
		if _, ok := s.push(frames.as(s.form), one, false); !ok {
			slow = append(slow, s)
		}
	}
	return slow
}

// reach notes that the queues have everything up to a position of the log, and puts what waited for
// it into them.
func (r *roster) reach(position uint64) {
	r.mu.Lock()
	r.delivered.Store(max(r.delivered.Load(), position))
	waiting := r.waiting
	r.waiting = nil
	slow := r.putOrWait(waiting)
	r.mu.Unlock()

	for _, s := range slow {
		s.endSlow()
	}
}
