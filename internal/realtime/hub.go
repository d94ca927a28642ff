package realtime

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/realtime/outbox"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options of a Hub.
type Options struct {
	Store store.Store
	// Follow has Deliver called with every event of an app instance after the position that it
	// returns, until stop is called. The hub asks for the app instances that have users online.
	Follow func(ctx context.Context, app string) (after uint64, stop func(), err error)
	// Linger is how long Follow's events are still taken when the last user of an app instance has left:
	// users that come and go do not have each of them begin anew. Zero: not at all.
	Linger time.Duration
	// Frame makes the transport's frame of a text, plain or compressed, once for all receivers. It keeps nothing of
	// the text.
	Frame func(text []byte, compressed bool) []byte
	// CatchUp waits until the transports have written what their peers take now. Deliver calls it when so much
	// was put into queues that they would be full although their readers are not slow. Nil: not at all.
	CatchUp func()
	// Body makes the payload of an event of a message that the log keeps without: see chime.Event.
	// Without it such events have no payload.
	Body store.Body
	// Prefetch answers what clients prefetch; without it they get nothing.
	Prefetch Prefetcher
	// Authority decides about sessions after the account has changed; required for grants with a
	// Standing.
	Authority Authority
	// Extras are those that every app instance has, in addition to those that its tag names.
	Extras chime.Extras
	// Typing makes what hears the texts of a session that gets chime.ExtraTyping. Without it, and when it
	// returns nil, such texts are ignored.
	Typing func(Grant) Client
	// Signer vouches for resume tokens; without it no session gets any.
	Signer Signer
	// MaxQueueBytes bounds the frames that wait for one session (default 256 KiB).
	MaxQueueBytes int
	// MaxSessionsPerUser bounds the sockets of one user (spec 4.10; default 10).
	MaxSessionsPerUser int
	Log                *slog.Logger
}

// Hub knows the online users. It has a roster for each app instance that has any. It is safe for
// concurrent use, except that the calls of Deliver for one app instance come one after another.
type Hub struct {
	env     *environment
	changed chan struct{} // has room for one: the account has changed

	mu      lockorder.Mutex[lockorder.Hub]
	rosters map[string]*roster // by app instance
}

// environment is what the rosters and sessions of a hub have in common. It knows none of them.
type environment struct {
	Options
	readers  outbox.Readers
	watchers watchers
	closed   closures

	pushed   atomic.Uint64 // frames, into queues
	revision atomic.Uint64 // of the account that the latest pass over the sessions began with
	unsteady atomic.Bool   // some decision about a session depends on more than the account
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
	if opts.CatchUp == nil {
		opts.CatchUp = func() {}
	}
	if opts.Body == nil {
		opts.Body = func(store.Reader, *chime.Event) ([]byte, error) { return nil, nil }
	}
	return &Hub{
		env:     &environment{Options: opts, closed: closures{reasons: make(map[string]uint64)}},
		changed: make(chan struct{}, 1),
		rosters: make(map[string]*roster),
	}
}

// Deliver hands events of one app instance, in the order of its log, to the sessions that they concern. It
// never waits for a receiver.
func (h *Hub) Deliver(events []*chime.Event) {
	if len(events) == 0 {
		return
	}
	if r := h.roster(events[0].App); r != nil {
		r.deliver(events)
	}
}

// roster returns that of an app instance, nil when none of its users is online.
func (h *Hub) roster(app string) *roster {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rosters[app]
}

// open returns the roster of an app instance, a new one when none of its users is online.
func (h *Hub) open(app string) *roster {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rosters[app]
	if r == nil || r.retired.Load() {
		r = newRoster(app, h.env, h.drop)
		h.rosters[app] = r
	}
	return r
}

// drop forgets a roster that is retired. It is delivered nothing any more.
func (h *Hub) drop(r *roster) {
	h.mu.Lock()
	if h.rosters[r.app] == r {
		delete(h.rosters, r.app)
	}
	h.mu.Unlock()
	r.unfollow()
}

// all appends the rosters to a list, in no order.
func (h *Hub) all(to []*roster) []*roster {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.AppendSeq(to, maps.Values(h.rosters))
}

// Stats counts what the hub did.
type Stats struct {
	Sessions  int               // attached now
	Users     int               // online now
	Delivered uint64            // frames put into queues
	Closed    map[string]uint64 // sessions that the hub closed, by reason
}

// Stats returns the counts so far.
func (h *Hub) Stats() Stats {
	s := Stats{Delivered: h.env.pushed.Load(), Closed: h.env.closed.count()}
	for _, r := range h.all(nil) {
		sessions, users := r.size()
		s.Sessions += sessions
		s.Users += users
	}
	return s
}

// closures counts the sessions that the hub closed.
type closures struct {
	mu      lockorder.Mutex[lockorder.Closures]
	reasons map[string]uint64
}

func (c *closures) add(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reasons[reason]++
}

func (c *closures) count() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.reasons)
}
