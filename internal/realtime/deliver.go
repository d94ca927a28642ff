package realtime

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime/outbox"
)

// deliver hands events of the app instance, in the order of its log, to the sessions that they
// concern. It never waits for a receiver. It belongs to one goroutine.
func (r *roster) deliver(events []*chime.Event) {
	alone := len(events) == 1
	for rest := events; len(rest) > 0; {
		n := run(rest, r.env.runBytes())
		r.keepRoom(rest[:n])
		rest = rest[r.handOut(rest[:n], alone):]
	}
	r.reach(events[len(events)-1].Position)
}

// keepRoom lets the transports catch up before a queue has more than a run, unless its reader is slow: so the
// node's own work fills no queue, and what comes meanwhile goes out together.
func (r *roster) keepRoom(events []*chime.Event) {
	if r.fullest == 0 {
		return
	}
	size := r.fullest
	for _, e := range events {
		size += frameSize(e)
	}
	if size > r.env.runBytes() {
		r.env.CatchUp()
		r.fullest = 0
	}
}

// runBytes bounds the frames of a run: they are a line, and a queue has room for some runs, so that a reader
// that keeps up is never too slow for one.
func (env *environment) runBytes() int { return min(outbox.MaxLine, env.MaxQueueBytes/2) }

// run counts the events, from the first on, that the same sessions get and that change no roster: one at
// least, and others as long as their frames take no more than about the bytes.
func run(events []*chime.Event, bytes int) (n int) {
	for n < len(events) && isPlain(events[n]) && events[n].Topic == events[0].Topic {
		if bytes -= frameSize(events[n]); bytes < 0 {
			break
		}
		n++
	}
	return max(n, 1)
}

// isPlain reports whether the event is for all members of a channel, and does nothing to them, nor to
// what was sent before.
func isPlain(e *chime.Event) bool {
	if e.MessageType == "" || e.Only != nil || len(e.Also)+len(e.Join)+len(e.Leave) > 0 {
		return false
	}
	kind := e.Kind()
	return kind.Extra == 0 && kind.Removes == chime.Nowhere && !kind.EndsMemberships && kind.EndsSessions == chime.Nowhere
}

// fewReceivers is up to how many receivers are written to by the deliverer itself, when no other event
// waits: to wake the transport's goroutines takes about as long as a write. More are shared out among them,
// and more events may go out in one write.
const fewReceivers = 16

// handOut hands out a run of events, or no more than the first when not all of the members get that. It
// returns how many it was. alone says that no event waits behind them.
func (r *roster) handOut(events []*chime.Event, alone bool) int {
	e := events[0]
	if e.Removes() { // before any session can take the event
		r.queues.Remove(e)
	}

	// The receivers are found under the lock, when the users that join are members already and those
	// that leave are still.
	r.mu.Lock()
	r.joined(e)
	all := false
	if r.receivers, all = r.audience(r.receivers[:0], e); !all {
		events = events[:1]
	}
	r.position = events[len(events)-1].Position
	for u := range r.loading {
		u.loading.pending = append(u.loading.pending, events...)
	}
	if extra := e.Kind().Extra; extra != 0 {
		r.receivers = listening(r.receivers, extra, e)
	}
	r.left(e)
	kicked := r.kicked(e)
	r.mu.Unlock()

	// The queues have locks of their own.
	r.env.pushed.Add(uint64(len(r.receivers) * len(events)))
	frames := frames{env: r.env, events: events}
	write := alone && len(r.receivers) <= fewReceivers
	for _, s := range r.receivers {
		waiting, ok := s.push(frames.as(s.form), events, write)
		r.fullest = max(r.fullest, waiting)
		if !ok {
			s.endSlow()
		}
	}
	clear(r.receivers) // keep no closed session alive
	for _, s := range kicked {
		s.end(CloseForbidden, "the app instance user was deleted")
	}
	return len(events)
}

// audience collects the sessions that get the event, and reports whether those are all of the channel.
// The caller holds mu.
func (r *roster) audience(to []*Session, e *chime.Event) (_ []*Session, all bool) {
	if e.MessageType == "" {
		return to, false
	}
	if e.Only != nil {
		return r.sessionsOf(to, e), false
	}
	channel := r.channels[e.Topic]
	all = true
	if channel != nil {
		for _, o := range channel.online {
			if o.follows(e) {
				to = append(to, o.sessions...)
			} else {
				all = false
			}
		}
	}
	for _, ref := range e.Also {
		u := r.users[ref]
		if u != nil && u.follows(e) && (channel == nil || u.seatIn(channel) < 0) {
			to = append(to, u.sessions...)
		}
	}
	return to, all
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
		one := []*chime.Event{e}
		frames := frames{env: r.env, events: one}
		sessions := u.sessions
		if extra := e.Kind().Extra; extra != 0 {
			sessions = listening(slices.Clone(sessions), extra, e)
		}
		for _, s := range sessions {
			if _, ok := s.push(frames.as(s.form), one, false); !ok {
				slow = append(slow, s)
			}
		}
	}
	if e.EndsMembership(u.ref) {
		r.part(u, e.Topic)
	}
	return slow
}
