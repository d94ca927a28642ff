package realtime

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Close codes that the hub gives (spec 4.9).
const (
	CloseGoingAway     = 1001 // credentials expired, drain: clients reconnect
	CloseInternalError = 1011 // slow reader, internal error: clients reconnect
	CloseRestart       = 1012 // shutdown: clients reconnect
	CloseTryLater      = 1013 // silent beside a newer socket of its sessionId: clients reconnect
	CloseForbidden     = 4003 // kicked, over the limit: clients stay away
	CloseThrottled     = 4005 // too many connections a second: clients reconnect
	CloseUnauthorized  = 4401 // not authorised: clients stay away
)

// CloseError refuses or ends a session with a close code and a reason of at most 123 bytes.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string { return fmt.Sprintf("close %d: %s", e.Code, e.Reason) }

// Transport is one socket as the hub sees it. Its calls never block and never call back.
type Transport interface {
	// Ready tells that the session has frames to take. It is not called again until Take has
	// returned none.
	Ready()
	// Probe asks the client for a sign of life. Session.Probed tells whether one came in time, unless
	// the socket has ended by then.
	Probe()
	// Close ends the socket with a close frame of this code and reason. Frames that were not
	// taken yet are dropped.
	Close(code int, reason string)
}

// Grant is what a verified connect request is entitled to.
type Grant struct {
	App       string
	User      chime.Ref
	UserARN   string
	SessionID string    // the client's name for the connection
	Expires   time.Time // end of the credentials; zero: never

	// Prefetch asks for CHANNEL_DETAILS, PrefetchSort says in which order (spec 4.7).
	Prefetch     bool
	PrefetchSort string
	// Resume asks for positions and resume tokens. ResumeFrom is where to go on: a token, or a token,
	// a dot and the position of the last event that the client has; empty for a new beginning.
	Resume     bool
	ResumeFrom string
	// Extras are what the client asks for beyond AWS's events.
	Extras Extras
	// Standing is what Options.Authority knows the credentials by; nil: nothing can end them.
	// Revision says by which account the request was decided, Steady that the decision holds until
	// the account changes.
	Standing any
	Revision uint64
	Steady   bool
	// Authorize asks IAM, by the account as it is then, whether the client may call an operation; nil when it may not call any.
	Authorize func(ctx context.Context, operation string, req api.Request) error
	// Compressed frames are what the transport takes.
	Compressed bool
}

// Options of a Hub.
type Options struct {
	Store store.Store
	// Frame makes the transport's frame of a text, plain or compressed, once for all receivers.
	Frame func(text []byte, compressed bool) []byte
	// Body makes the payload of an event of a message that the log keeps without: see chime.Event.
	// Without it such events have no payload.
	Body func(store.Reader, *chime.Event) ([]byte, error)
	// Prefetch answers what clients prefetch; without it they get nothing.
	Prefetch Prefetcher
	// Authority decides about sessions after the account has changed; required for grants with a
	// Standing.
	Authority Authority
	// Companion sees to the extras; without it there are none.
	Companion Companion
	// Signer vouches for resume tokens; without it nobody gets any.
	Signer Signer
	// MaxQueueBytes bounds the frames that wait for one session (default 256 KiB).
	MaxQueueBytes int
	// MaxSessionsPerUser bounds the sockets of one user (spec 4.10; default 10).
	MaxSessionsPerUser int
	Log                *slog.Logger
}

// Hub knows who is online and in which channels. It is safe for concurrent use, except that
// Deliver belongs to one goroutine.
type Hub struct {
	opts    Options
	pullers pullers
	// settled is the position of the last event that was put into all queues.
	settled atomic.Uint64
	changed chan struct{} // a place: the account has changed
	// removals are what sessions compare their frames with. Deliver alone changes them.
	removals atomic.Pointer[removals]

	mu       sync.Mutex
	position uint64 // of the last event whose receivers were found
	users    map[userKey]*member
	rooms    map[chime.Topic]*room
	loading  map[*member]struct{}
	online   []*Session // all of them, each at its place
	revision uint64     // of the account, that the latest pass over them began with
	unsteady bool       // some decision about them depends on more than the account
	// listeners are the sessions that get an extra.
	listeners int
	watchers  []*Watcher
	waiting   []told // events for one user each, until settled is where they belong
	stats     Stats

	receivers []*Session // of the event being delivered
}

// Stats counts what the hub did.
type Stats struct {
	Sessions  int               // attached now
	Users     int               // online now
	Delivered uint64            // frames put into queues
	Closed    map[string]uint64 // sessions that the hub closed, by reason
}

// New makes a hub without sessions.
func New(opts Options) *Hub {
	if opts.MaxQueueBytes == 0 {
		opts.MaxQueueBytes = 256 << 10
	}
	if opts.MaxSessionsPerUser == 0 {
		opts.MaxSessionsPerUser = 10
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Body == nil {
		opts.Body = func(store.Reader, *chime.Event) ([]byte, error) { return nil, nil }
	}
	h := &Hub{
		opts:    opts,
		changed: make(chan struct{}, 1),
		users:   make(map[userKey]*member),
		rooms:   make(map[chime.Topic]*room),
		loading: make(map[*member]struct{}),
		stats:   Stats{Closed: make(map[string]uint64)},
	}
	h.removals.Store(new(removals))
	return h
}

// Stats returns the counts so far.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stats
	s.Sessions, s.Users = len(h.online), len(h.users)
	s.Closed = maps.Clone(h.stats.Closed)
	return s
}

// Attach makes a session of the grant's user on the transport. Its first frame is
// SESSION_ESTABLISHED. An error is a *CloseError, or ctx's error.
func (h *Hub) Attach(ctx context.Context, g Grant, t Transport) (*Session, error) {
	s := h.newSession(g, t)
	entry, err := h.enter(g, s)
	if err != nil {
		return nil, err
	}
	for _, older := range entry.older {
		older.transport.Probe()
	}
	if entry.first {
		h.load(context.WithoutCancel(ctx), s.member) // others may wait for it too
	}
	if err := h.settle(ctx, s, entry); err != nil {
		s.Detach()
		return nil, err
	}
	return s, nil
}

// settle waits until the memberships of the session's user are known. A session that was let in by an
// older account than the latest pass saw is confirmed by itself.
func (h *Hub) settle(ctx context.Context, s *Session, entry entry) error {
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
		return h.confirm(ctx, s)
	}
	return nil
}

// entry is what enter found.
type entry struct {
	older   []*Session // of the same sessionId, that are to be probed
	loading *loading   // nil when the user's memberships are known
	first   bool       // the user was offline: its memberships have to be loaded
	stale   bool       // the account has changed since the request was decided
}

// enter adds the session to its user.
func (h *Hub) enter(g Grant, s *Session) (entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found entry
	key := userKey{g.App, g.User}
	m := h.users[key]
	if m == nil {
		found.first = true
		m = &member{userKey: key, loading: &loading{done: make(chan struct{})}}
		h.users[key] = m
		h.loading[m] = struct{}{}
	}
	found.older = h.contest(m, s)
	if n := len(m.sessions); n >= h.opts.MaxSessionsPerUser && (len(found.older) == 0 || n >= 2*h.opts.MaxSessionsPerUser) {
		return entry{}, h.tooMany()
	}
	for _, older := range found.older {
		older.rival = s
	}
	s.member = m
	m.sessions = append(m.sessions, s)
	h.list(s)
	h.unsteady = h.unsteady || g.Standing != nil && !g.Steady
	found.stale = g.Revision < h.revision
	if found.loading = m.loading; m.loading == nil {
		h.begin(s, max(h.position, m.since))
	}
	return found, nil
}

// load reads the user's memberships and then lets it catch up with what happened meanwhile.
func (h *Hub) load(ctx context.Context, m *member) {
	found, err := h.read(ctx, m.userKey)
	for _, s := range h.enrol(m, found, err) {
		h.endSlow(s)
	}
}

// enrol puts a user on the roster with what was found, and answers the sessions whose queues are
// too short for what came meanwhile.
func (h *Hub) enrol(m *member, found record, err error) (slow []*Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.loading, m)
	l := m.loading
	defer close(l.done)
	if err != nil {
		l.failed = err
		if h.users[m.userKey] == m {
			delete(h.users, m.userKey)
		}
		return nil
	}
	m.loading, m.since, m.allowed = nil, found.position, found.extras
	m.rooms = make([]seat, 0, len(found.channels))
	for _, key := range found.channels {
		h.join(m, key)
	}
	for _, s := range m.sessions {
		h.begin(s, found.position)
	}
	for _, e := range l.pending {
		if m.follows(e) {
			slow = append(slow, h.catchUp(m, e)...)
		}
	}
	h.forget(m)
	return slow
}

// begin lets a session of a user on the roster have what comes after a position of the log.
func (h *Hub) begin(s *Session, position uint64) {
	if s.extras &= s.member.allowed; s.extras != 0 {
		h.listeners++
	}
	if s.extras&ExtraTyping == 0 {
		s.client = nil
	}
	if s.member.allowed != 0 {
		h.opts.Companion.Came(s.member.app, s.member.user, s.member.allowed, s.extras)
		h.publish(SessionEvent{App: s.member.app, User: s.member.user, Opened: true, Allowed: s.member.allowed, Wants: s.extras})
	}
	s.begin(position)
}

// record is what the store has of a user.
type record struct {
	position uint64 // of the log, that the rest belongs to
	channels []chime.Topic
	extras   Extras // of the app instance
}

// read finds what the store has of a user.
func (h *Hub) read(ctx context.Context, user userKey) (found record, err error) {
	err = h.opts.Store.View(ctx, user.app, func(r store.Reader) error {
		// A deleted app instance keeps its users until they are removed in the background.
		known, err := store.AppInstances.Has(r, store.K(user.app))
		if err == nil && known {
			known, err = store.Users.Has(r, store.K(user.app, user.user.ID()))
		}
		if err != nil {
			return err
		}
		if !known || !user.user.IsUser() {
			return &CloseError{CloseUnauthorized, "unknown app instance user"}
		}
		if found.position, err = r.Position(); err != nil {
			return err
		}
		if h.opts.Companion != nil {
			if found.extras, err = h.opts.Companion.Allowed(r, user.app); err != nil {
				return err
			}
		}
		found.channels, err = readChannels(r, user)
		return err
	})
	return found, err
}

// readChannels lists where somebody is a member.
func readChannels(r store.Reader, user userKey) (channels []chime.Topic, err error) {
	err = store.MembershipsOf.Each(r, store.Prefix(store.K(user.app, string(user.user))),
		func(_ store.Key, at chime.Place) (bool, error) {
			channels = append(channels, chime.Topic{App: user.app, Channel: at.UID, Sub: at.Sub})
			return true, nil
		})
	return channels, err
}

// endSlow closes a session that would miss an event.
func (h *Hub) endSlow(s *Session) { h.end(s, CloseInternalError, "slow consumer") }

// end closes a session that the hub gave up.
func (h *Hub) end(s *Session, code int, reason string) { h.endAs(s, reason, code, reason) }

// endAs does so for a reason that is counted under a shorter name.
func (h *Hub) endAs(s *Session, name string, code int, reason string) {
	if s.stop() {
		h.mu.Lock()
		h.stats.Closed[name]++
		h.mu.Unlock()
		s.transport.Close(code, reason)
	}
}
