package realtime

import (
	"context"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime/replay"
	"github.com/carillon-chat/carillon/internal/store"
)

// Attach makes a session of the grant's user on the transport. Its first frame is
// SESSION_ESTABLISHED. An error is a *CloseError, or ctx's error.
func (h *Hub) Attach(ctx context.Context, g Grant, t Transport) (*Session, error) {
	s := h.env.newSession(g, t)
	var entry entry
	for entered := false; !entered; { // a roster whose last user leaves right now takes no session
		r := h.open(g.App)
		err := r.recheck(ctx, g.User)
		if err == nil {
			entry, entered, err = r.enter(g, s)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, older := range entry.older {
		older.transport.Probe()
	}
	if entry.first {
		s.user.roster.load(context.WithoutCancel(ctx), s.user) // others may wait for it too
	}
	if err := s.await(ctx, entry); err != nil {
		s.Detach()
		return nil, err
	}
	return s, nil
}

// await waits until the memberships of the session's user are known. A session that was let in by an
// older account than the latest pass saw is confirmed by itself.
func (s *Session) await(ctx context.Context, entry entry) error {
	if entry.loading != nil {
		select {
		case <-entry.loading.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := entry.loading.failed; err != nil {
			return err
		}
	}
	if entry.stale {
		return s.confirm(ctx)
	}
	return nil
}

// entry is what a session finds when it enters the roster.
type entry struct {
	older   []*Session // of the same sessionId, that are to be probed
	loading *loading   // nil when the user's memberships are known
	first   bool       // the user was offline: its memberships have to be loaded
	stale   bool       // the account has changed since the request was decided
}

// recheck refuses a user on the roster that was deleted: until its sessions have gone a new one would find
// it there. A user that is not there yet is looked for when it is loaded, and one that is deleted from
// here on loses the session with the event of that.
func (r *roster) recheck(ctx context.Context, user chime.Ref) error {
	r.mu.Lock()
	_, online := r.users[user]
	r.mu.Unlock()
	if !online {
		return nil
	}
	return r.env.Store.View(ctx, r.app, func(tx store.Reader) error { return r.known(tx, user) })
}

// known refuses a user that does not exist.
func (r *roster) known(tx store.Reader, user chime.Ref) error {
	// A deleted app instance keeps its users until they are removed in the background.
	known, err := store.AppInstances.Has(tx, store.K(r.app))
	if err == nil && known {
		known, err = store.Users.Has(tx, store.K(r.app, user.ID()))
	}
	if err == nil && (!known || !user.IsUser()) {
		err = &CloseError{CloseUnauthorized, "unknown app instance user"}
	}
	return err
}

// enter adds the session to its user. It reports false when the roster is retired.
func (r *roster) enter(g Grant, s *Session) (found entry, entered bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.retired.Load() {
		return entry{}, false, nil
	}
	if r.ending != nil {
		r.ending.Stop()
	}
	u := r.users[g.User]
	if u == nil {
		found.first = true
		u = &onlineUser{roster: r, ref: g.User, loading: &loading{done: make(chan struct{})}}
		r.users[g.User] = u
		r.loading[u] = struct{}{}
	}

	// A newer session of an id may be there beyond the limit until the older one has answered.
	found.older = u.contest(s)
	limit := r.env.MaxSessionsPerUser
	if n := len(u.sessions); n >= limit && (len(found.older) == 0 || n >= 2*limit) {
		return entry{}, true, r.env.tooMany()
	}
	for _, older := range found.older {
		older.rival = s
	}
	s.user = u
	s.queue.Init((*owner)(s), r.queues)
	u.sessions = append(u.sessions, s)
	r.list(s)

	// A pass over all sessions that began before has either seen the session or is seen here.
	if g.Standing != nil && !g.Steady {
		r.env.unsteady.Store(true)
	}
	found.stale = g.Revision < r.env.revision.Load()
	if found.loading = u.loading; u.loading == nil {
		r.begin(s, max(r.position, u.since))
	}
	return found, true, nil
}

// load reads the user's memberships and then lets it catch up with what happened meanwhile.
func (r *roster) load(ctx context.Context, u *onlineUser) {
	var found record
	err := r.follow(ctx) // from before the memberships are read, so that nothing lies in between
	if err == nil {
		found, err = r.read(ctx, u.ref)
	}
	for _, s := range r.enrol(u, found, err) {
		s.endSlow()
	}
	r.vacate() // if all sessions have left in the meantime
}

// enrol puts a user on the roster with what was found, and returns the sessions whose queues are
// too short for what came meanwhile.
func (r *roster) enrol(u *onlineUser, found record, err error) (slow []*Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.loading, u)
	l := u.loading
	defer close(l.done)
	if err != nil {
		l.failed = err
		if r.users[u.ref] == u {
			delete(r.users, u.ref)
		}
		return nil
	}

	u.loading, u.since, u.allowed = nil, found.position, found.extras
	u.seats = make([]seat, 0, len(found.channels))
	for _, topic := range found.channels {
		r.join(u, topic)
	}
	for _, s := range u.sessions {
		r.begin(s, found.position)
	}

	// What was delivered while the memberships were read, and came after that moment.
	for _, e := range l.pending {
		if u.follows(e) {
			slow = append(slow, r.catchUp(u, e)...)
		}
	}
	r.forget(u)
	return slow
}

// begin lets a session of a user on the roster have what comes after a position of the log. The
// caller holds mu.
func (r *roster) begin(s *Session, position uint64) {
	if s.extras &= s.user.allowed; s.extras != 0 {
		r.listeners++
	}
	if s.extras&chime.ExtraTyping == 0 {
		s.client = nil
	}
	if u := s.user; u.allowed != 0 {
		r.env.watchers.opened(chime.UserKey{App: r.app, User: u.ref}, !u.watched, u.allowed, s.extras)
		u.watched = true
	}
	s.begin(position)
}

// record is what the store has of a user.
type record struct {
	position uint64 // of the log, that the rest belongs to
	channels []chime.Topic
	extras   chime.Extras // of the app instance
}

// read finds what the store has of a user.
func (r *roster) read(ctx context.Context, user chime.Ref) (found record, err error) {
	err = r.env.Store.View(ctx, r.app, func(tx store.Reader) (err error) {
		if err := r.known(tx, user); err != nil {
			return err
		}
		if found.position, err = tx.Position(); err != nil {
			return err
		}
		if found.extras, err = r.env.allowed(tx, r.app); err != nil {
			return err
		}
		found.channels, err = replay.Memberships(tx, r.app, user)
		return err
	})
	return found, err
}
