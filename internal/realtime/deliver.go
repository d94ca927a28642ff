package realtime

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
)

// deliver hands events of the app instance, in the order of its log, to the sessions that they
// concern. It never waits for a receiver. It belongs to one goroutine.
func (r *roster) deliver(events []*chime.Event) {
	for _, e := range events {
		r.handOut(e)
	}
	r.reach(events[len(events)-1].Position)
}

func (r *roster) handOut(e *chime.Event) {
	if e.Removes() { // before any session can take the event
		r.queues.Remove(e)
	}

	// The receivers are found under the lock, when the users that join are members already and those
	// that leave are still.
	r.mu.Lock()
	r.position = e.Position
	for u := range r.loading {
		u.loading.pending = append(u.loading.pending, e)
	}
	r.joined(e)
	r.receivers = r.audience(r.receivers[:0], e)
	if extra := e.Kind().Extra; extra != 0 {
		r.receivers = listening(r.receivers, extra, e)
	}
	r.left(e)
	kicked := r.kicked(e)
	r.mu.Unlock()

	// The queues have locks of their own.
	r.env.pushed.Add(uint64(len(r.receivers)))
	frames := frames{env: r.env, event: e}
	for _, s := range r.receivers {
		if !s.push(frames.as(s.form), e) {
			s.endSlow()
		}
	}
	clear(r.receivers) // keep no closed session alive
	for _, s := range kicked {
		s.end(CloseForbidden, "the app instance user was deleted")
	}
}

// audience collects the sessions that get the event. The caller holds mu.
func (r *roster) audience(to []*Session, e *chime.Event) []*Session {
	if e.MessageType == "" {
		return to
	}
	if e.Only != nil {
		return r.sessionsOf(to, e)
	}
	channel := r.channels[e.Topic]
	if channel != nil {
		for _, o := range channel.online {
			if o.follows(e) {
				to = append(to, o.sessions...)
			}
		}
	}
	for _, ref := range e.Also {
		u := r.users[ref]
		if u != nil && u.follows(e) && (channel == nil || u.seatIn(channel) < 0) {
			to = append(to, u.sessions...)
		}
	}
	return to
}

// sessionsOf collects the sessions of the users in Only, as far as they are members.
func (r *roster) sessionsOf(to []*Session, e *chime.Event) []*Session {
	for i, ref := range e.Only {
		if u := r.users[ref]; u != nil && u.follows(e) && r.isIn(u, e.Topic) && !slices.Contains(e.Only[:i], ref) {
			to = append(to, u.sessions...)
		}
	}
	return to
}

// isIn reports whether the user is a member there. All are in their app instance.
func (r *roster) isIn(u *onlineUser, topic chime.Topic) bool {
	return topic.Channel == "" || u.seatIn(r.channels[topic]) >= 0
}

func (r *roster) joined(e *chime.Event) {
	for _, ref := range e.Join {
		if u := r.users[ref]; u != nil && u.follows(e) {
			r.join(u, e.Topic)
		}
	}
}

func (r *roster) left(e *chime.Event) {
	for _, ref := range e.Leave {
		if u := r.users[ref]; u != nil && u.follows(e) {
			r.part(u, e.Topic)
		}
	}
	if e.Kind().EndsMemberships {
		for c := r.channels[e.Topic]; c != nil && len(c.online) > 0; {
			r.part(c.online[len(c.online)-1].onlineUser, e.Topic)
		}
	}
}

// kicked lists the sessions that end with the event.
func (r *roster) kicked(e *chime.Event) []*Session {
	switch e.Kind().EndsSessions {
	case chime.OfSubject:
		if u := r.users[e.Subject]; u != nil && (u.loading != nil || u.follows(e)) {
			return slices.Clone(u.sessions)
		}
	case chime.OfApp:
		return slices.Clone(r.sessions)
	}
	return nil
}

// catchUp does for one user what handOut does for all, and returns the sessions that have no
// room for the event. The caller holds mu.
func (r *roster) catchUp(u *onlineUser, e *chime.Event) (slow []*Session) {
	if slices.Contains(e.Join, u.ref) {
		r.join(u, e.Topic)
	}
	if e.Reaches(u.ref, r.isIn(u, e.Topic)) {
		frames := frames{env: r.env, event: e}
		sessions := u.sessions
		if extra := e.Kind().Extra; extra != 0 {
			sessions = listening(slices.Clone(sessions), extra, e)
		}
		for _, s := range sessions {
			if !s.push(frames.as(s.form), e) {
				slow = append(slow, s)
			}
		}
	}
	if e.EndsMembership(u.ref) {
		r.part(u, e.Topic)
	}
	return slow
}
