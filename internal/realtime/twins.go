package realtime

import "fmt"

// A client that comes with the sessionId of a socket that is there has either lost that one, and the
// server does not know yet, or the other is a second tab or device. Only the older socket
// can show which: it is probed, and both live when it answers. The newer one waits for nothing. No clock of a client
// is asked, and no socket that is alive ends because of another.

// contest lists the sessions of the same sessionId that are not being probed yet. The caller holds the
// roster's mu.
func (u *onlineUser) contest(s *Session) (older []*Session) {
	for _, other := range u.sessions {
		if other.id == s.id && other.rival == nil {
			older = append(older, other)
		}
	}
	return older
}

// Probed is the answer to Transport.Probe. A session whose client is gone makes room for the newer
// one that it was probed for. While that is not known a user may have more sessions than the limit, at
// most twice as many; a newer one that there is no room for ends then.
func (s *Session) Probed(alive bool) {
	if gone, why := s.user.roster.decide(s, alive); gone != nil {
		gone.end(why.Code, why.Reason)
	}
}

// decide takes the session off the roster that has to make room, nil when both may stay.
func (r *roster) decide(s *Session, alive bool) (gone *Session, why *CloseError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rival := s.rival
	s.rival = nil
	if rival == nil || rival.queue.IsClosed() || s.queue.IsClosed() {
		return nil, nil
	}
	gone, why = s, &CloseError{CloseTryLater, "silent while a newer connection of the same sessionId came"}
	if alive {
		gone, why = rival, r.env.tooMany()
		if len(s.user.sessions) <= r.env.MaxSessionsPerUser {
			return nil, nil
		}
	}
	r.remove(gone) // at once, so that it is not counted while it closes
	return gone, why
}

func (env *environment) tooMany() *CloseError {
	return &CloseError{CloseForbidden, fmt.Sprintf("the user already has %d connections", env.MaxSessionsPerUser)}
}
