package realtime

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Close codes that the hub gives (spec 4.9).
const (
	CloseGoingAway     = 1001 // credentials expired, drain: clients reconnect
	CloseInternalError = 1011 // slow reader, internal error: clients reconnect
	CloseRestart       = 1012 // shutdown: clients reconnect
	CloseForbidden     = 4003 // kicked, replaced, over the limit: clients stay away
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
	// Resume asks for resume tokens. ResumeFrom is where to go on, empty for a new beginning.
	Resume     bool
	ResumeFrom string
	// Extras are what the client asks for beyond AWS's events.
	Extras Extras
	// Compressed frames are what the transport takes.
	Compressed bool
}

// Extras are kinds of events that no client of AWS knows. A socket gets those that it asks for
// and that its app instance has switched on.
type Extras uint8

// The extras that there are.
const (
	ExtraPresence Extras = 1 << iota // who of a channel is online
	ExtraTyping                      // who is typing
	ExtraUnread                      // exact counts of unread messages
)

var extras = map[string]Extras{"presence": ExtraPresence, "typing": ExtraTyping, "unread": ExtraUnread}

// ParseExtras reads names of extras that are separated by separators; unknown ones are ignored.
func ParseExtras(list, separators string) (e Extras) {
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		e |= extras[name]
	}
	return e
}

// Options of a Hub.
type Options struct {
	Store store.Store
	// Frame makes the transport's frame of a text, plain or compressed, once for all receivers.
	Frame func(text []byte, compressed bool) []byte
	// MaxQueueBytes bounds the frames that wait for one session (default 256 KiB).
	MaxQueueBytes int
	// MaxSessionsPerUser bounds the sockets of one user (spec 4.10; default 10).
	MaxSessionsPerUser int
	Log                *slog.Logger
}

// Hub knows who is online and in which channels. It is safe for concurrent use, except that
// Deliver belongs to one goroutine.
type Hub struct {
	opts Options

	mu       sync.Mutex
	users    map[userKey]*member
	channels map[channelKey]map[*member]struct{}
	loading  map[*member]struct{}
	stats    Stats

	receivers []*Session // of the event being delivered
}

type userKey struct {
	app  string
	user chime.Ref
}

// channelKey is a channel, or a sub-channel of an elastic one.
type channelKey struct{ app, uid, sub string }

// whole is the channel that a sub-channel belongs to.
func (k channelKey) whole() channelKey { return channelKey{k.app, k.uid, ""} }

// member is one online user. Its memberships are known once it is loaded.
type member struct {
	userKey
	sessions []*Session
	channels map[channelKey]struct{}
	// subs are the sub-channels of elastic channels that the user is in, by the whole channel.
	// Who is in any of them is in the whole channel too, once: its own events have no Sub.
	subs    map[channelKey][]string
	loaded  bool
	since   uint64         // position of the log that the memberships were read at
	ready   chan struct{}  // closed when loading ended
	failed  error          // why it failed
	pending []*chime.Event // what came while it was loading
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
	return &Hub{
		opts:     opts,
		users:    make(map[userKey]*member),
		channels: make(map[channelKey]map[*member]struct{}),
		loading:  make(map[*member]struct{}),
		stats:    Stats{Closed: make(map[string]uint64)},
	}
}

// Stats returns the counts so far.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stats
	s.Users = len(h.users)
	s.Closed = make(map[string]uint64, len(h.stats.Closed))
	for reason, n := range h.stats.Closed {
		s.Closed[reason] = n
	}
	return s
}

// Attach makes a session of the grant's user on the transport. Its first frame is
// SESSION_ESTABLISHED. An error is a *CloseError, or ctx's error.
func (h *Hub) Attach(ctx context.Context, g Grant, t Transport) (*Session, error) {
	s := &Session{hub: h, transport: t, id: g.SessionID}
	m, replaced, first, err := h.enter(g, s)
	if err != nil {
		return nil, err
	}
	if replaced != nil {
		h.end(replaced, CloseForbidden, "replaced by a newer connection with the same sessionId")
	}
	if first {
		h.load(context.WithoutCancel(ctx), m) // others may wait for it too
	}
	select {
	case <-m.ready:
	case <-ctx.Done():
		s.Detach()
		return nil, ctx.Err()
	}
	if m.failed != nil {
		s.Detach()
		return nil, m.failed
	}
	return s, nil
}

// enter adds the session to its user. first tells that the user was offline, so that its
// memberships have to be loaded.
func (h *Hub) enter(g Grant, s *Session) (m *member, replaced *Session, first bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := userKey{g.App, g.User}
	m = h.users[key]
	if m == nil {
		first = true
		m = &member{userKey: key, channels: make(map[channelKey]struct{}), ready: make(chan struct{})}
		h.users[key] = m
		h.loading[m] = struct{}{}
	}
	for _, other := range m.sessions {
		if other.id == s.id {
			replaced = other
		}
	}
	if replaced == nil && len(m.sessions) >= h.opts.MaxSessionsPerUser {
		return nil, nil, false, &CloseError{CloseForbidden, fmt.Sprintf("the user already has %d connections", len(m.sessions))}
	}
	if replaced != nil {
		h.leave(replaced)
	}
	s.member = m
	m.sessions = append(m.sessions, s)
	h.stats.Sessions++
	if m.loaded {
		s.push(h.established())
	}
	return m, replaced, first, nil
}

// load reads the user's memberships and then lets it catch up with what happened meanwhile.
func (h *Hub) load(ctx context.Context, m *member) {
	position, channels, err := h.read(ctx, m.userKey)
	for _, s := range h.enrol(m, position, channels, err) {
		h.endSlow(s)
	}
}

// enrol puts a user on the roster with the channels that it had at the position, and answers the
// sessions whose queues are too short for what came meanwhile.
func (h *Hub) enrol(m *member, position uint64, channels []channelKey, err error) (slow []*Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.loading, m)
	defer close(m.ready)
	if err != nil {
		m.failed = err
		if h.users[m.userKey] == m {
			delete(h.users, m.userKey)
		}
		return nil
	}
	m.loaded, m.since = true, position
	for _, key := range channels {
		h.join(m, key)
	}
	for _, s := range m.sessions {
		s.push(h.established())
	}
	for _, e := range m.pending {
		if m.follows(e) {
			slow = append(slow, h.catchUp(m, e)...)
		}
	}
	m.pending = nil
	h.forget(m)
	return slow
}

// follows reports whether the event comes after what the user's memberships were read at. One
// that comes before is in them already, though it may be delivered later: to apply it would put
// the user back into channels that it has left.
func (m *member) follows(e *chime.Event) bool {
	return m.loaded && (e.Position > m.since || e.Ephemeral && e.Position == m.since)
}

// read finds the user's channels and the position of the log that they belong to.
func (h *Hub) read(ctx context.Context, user userKey) (position uint64, channels []channelKey, err error) {
	err = h.opts.Store.View(ctx, func(r store.Reader) error {
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
		if position, err = r.Position(); err != nil {
			return err
		}
		return store.MembershipsOf.Each(r, store.Prefix(store.K(user.app, string(user.user))),
			func(_ store.Key, at chime.Place) (bool, error) {
				channels = append(channels, channelKey{user.app, at.UID, at.Sub})
				return true, nil
			})
	})
	return position, channels, err
}

func (h *Hub) join(m *member, key channelKey) {
	h.enlist(m, key)
	if key.sub == "" {
		return
	}
	whole := key.whole()
	if m.subs == nil {
		m.subs = make(map[channelKey][]string)
	}
	if !slices.Contains(m.subs[whole], key.sub) {
		m.subs[whole] = append(m.subs[whole], key.sub)
	}
	h.enlist(m, whole)
}

// part takes a user off a channel, all its sub-channels included, or off one sub-channel.
func (h *Hub) part(m *member, key channelKey) {
	h.strike(m, key)
	if m.subs == nil {
		return
	}
	whole := key.whole()
	left := slices.DeleteFunc(m.subs[whole], func(sub string) bool {
		if key.sub == "" {
			h.strike(m, channelKey{key.app, key.uid, sub})
		}
		return key.sub == "" || sub == key.sub
	})
	if m.subs[whole] = left; len(left) == 0 {
		delete(m.subs, whole)
		h.strike(m, whole)
	}
}

func (h *Hub) enlist(m *member, key channelKey) {
	online := h.channels[key]
	if online == nil {
		online = make(map[*member]struct{})
		h.channels[key] = online
	}
	online[m] = struct{}{}
	m.channels[key] = struct{}{}
}

func (h *Hub) strike(m *member, key channelKey) {
	delete(m.channels, key)
	online := h.channels[key]
	delete(online, m)
	if len(online) == 0 {
		delete(h.channels, key)
	}
}

// leave takes a session off its user, and the user off its channels with the last one.
func (h *Hub) leave(s *Session) {
	m := s.member
	for i, other := range m.sessions {
		if other != s {
			continue
		}
		m.sessions = append(m.sessions[:i], m.sessions[i+1:]...)
		h.stats.Sessions--
		break
	}
	h.forget(m)
}

// forget takes a user without sessions off the roster.
func (h *Hub) forget(m *member) {
	if len(m.sessions) > 0 || !m.loaded || h.users[m.userKey] != m {
		return
	}
	for key := range m.channels {
		h.part(m, key)
	}
	delete(h.users, m.userKey)
}

// endSlow closes a session that would miss an event.
func (h *Hub) endSlow(s *Session) { h.end(s, CloseInternalError, "slow consumer") }

// end closes a session that the hub gave up.
func (h *Hub) end(s *Session, code int, reason string) {
	if s.stop() {
		h.mu.Lock()
		h.stats.Closed[reason]++
		h.mu.Unlock()
		s.transport.Close(code, reason)
	}
}
