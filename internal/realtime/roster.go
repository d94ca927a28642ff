package realtime

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/realtime/outbox"
)

// roster is the online users of one app instance, and the channels that they are in. Rosters have nothing
// in common that is locked for long: what one delivers does not delay another.
//
// It is flat: a channel lists its online users and a user its channels, and each entry knows the
// place of its counterpart, so that leaving takes no search and an idle user no maps.
type roster struct {
	app     string
	env     *environment
	emptied func(*roster) // called without mu when the last user has gone

	followed sync.Once // the log is
	failed   error     // of that, or nil
	unfollow func()    // ends it

	// delivered is the position up to which every event is in all queues.
	delivered atomic.Uint64
	queues    *outbox.Group // of the sessions
	retired   atomic.Bool   // it takes no session any more; mu guards the change

	mu        lockorder.Mutex[lockorder.Roster]
	position  uint64 // of the last event whose receivers were found
	users     map[chime.Ref]*onlineUser
	channels  map[chime.Topic]*channelRoster
	loading   map[*onlineUser]struct{}
	sessions  []*Session  // all of them, each at its index
	listeners int         // sessions that get an extra
	waiting   []direct    // events for one user each, until delivered is where they belong
	ending    *time.Timer // retires it, once it has been without users

	receivers []*Session // the deliverer's: of the event at hand
	fullest   int        // the deliverer's: the most bytes that it saw in a queue since the transports caught up
}

// newRoster makes a roster that is delivered nothing yet.
func newRoster(app string, env *environment, emptied func(*roster)) *roster {
	return &roster{
		app: app, env: env, emptied: emptied, unfollow: func() {},
		users: make(map[chime.Ref]*onlineUser), channels: make(map[chime.Topic]*channelRoster),
		loading: make(map[*onlineUser]struct{}), queues: outbox.NewGroup(env.MaxQueueBytes, &env.readers),
	}
}

// follow has the roster delivered what the log has from now on. The first call does so.
func (r *roster) follow(ctx context.Context) error {
	r.followed.Do(func() {
		after, stop, err := r.env.Follow(ctx, r.app)
		if err != nil {
			r.failed = err
			return
		}
		r.reach(after)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.retired.Load() {
			stop()
			return
		}
		r.unfollow = stop
	})
	return r.failed
}

// onlineUser is a user with sessions.
type onlineUser struct {
	roster   *roster
	ref      chime.Ref
	sessions []*Session
	// seats are the channels and sub-channels that the user is in. A member of any sub-channel of a
	// channel is in the whole channel too, once: its own events have no Sub.
	seats   []seat
	since   uint64       // position of the log that the memberships were read at
	allowed chime.Extras // of the app instance
	watched bool         // the watchers know that it is online
	loading *loading     // nil once the memberships are known
}

// loading is what a user has while its memberships are read.
type loading struct {
	done    chan struct{}  // closed at the end
	failed  error          // why it failed, set before done
	pending []*chime.Event // what came meanwhile
}

// channelRoster is a channel or sub-channel with online members.
type channelRoster struct {
	topic  chime.Topic
	online []occupant
}

// seat is a channel of a user.
type seat struct {
	channel *channelRoster
	index   int32 // in channel.online
}

// occupant is an online member of a channel.
type occupant struct {
	*onlineUser
	index int32 // in onlineUser.seats
}

// vacate has a roster retire that has been without users for Linger. One that could not follow its log
// retires at once.
func (r *roster) vacate() {
	r.mu.Lock()
	empty := r.isEmpty()
	lingers := empty && r.env.Linger > 0 && r.failed == nil
	switch {
	case !lingers:
	case r.ending == nil:
		r.ending = time.AfterFunc(r.env.Linger, r.retire)
	default:
		r.ending.Reset(r.env.Linger)
	}
	r.mu.Unlock()

	if empty && !lingers {
		r.retire()
	}
}

// retire ends a roster without users, so that the hub forgets it: a session that meets it takes another.
func (r *roster) retire() {
	r.mu.Lock()
	empty := r.isEmpty()
	if empty {
		r.retired.Store(true)
	}
	r.mu.Unlock()
	if empty {
		r.emptied(r)
	}
}

// isEmpty reports whether the roster may retire. The caller holds mu.
func (r *roster) isEmpty() bool {
	return len(r.users) == 0 && len(r.sessions) == 0 && !r.retired.Load()
}

// size counts sessions and users.
func (r *roster) size() (sessions, users int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions), len(r.users)
}

// leave takes a session off the roster, and its user with the last one. It may be called more than
// once.
func (r *roster) leave(s *Session) {
	r.mu.Lock()
	r.remove(s)
	r.mu.Unlock()
	r.vacate()
}

// remove does so for a caller that holds mu.
func (r *roster) remove(s *Session) {
	u := s.user
	if i := slices.Index(u.sessions, s); i >= 0 {
		u.sessions = slices.Delete(u.sessions, i, i+1)
		r.unlist(s)
		if u.loading == nil && s.extras != 0 {
			r.listeners--
		}
	}
	r.forget(u)
}

// forget takes a user without sessions off the roster.
func (r *roster) forget(u *onlineUser) {
	if len(u.sessions) > 0 || u.loading != nil || r.users[u.ref] != u {
		return
	}
	for len(u.seats) > 0 {
		r.unseat(u, len(u.seats)-1)
	}
	delete(r.users, u.ref)
	if u.watched {
		r.env.watchers.closed(chime.UserKey{App: r.app, User: u.ref})
	}
}

// list and unlist keep the sessions together; the caller holds mu. The last one takes the index of one
// that leaves.
func (r *roster) list(s *Session) {
	s.index = int32(len(r.sessions))
	r.sessions = append(r.sessions, s)
}

func (r *roster) unlist(s *Session) {
	last := len(r.sessions) - 1
	moved := r.sessions[last]
	r.sessions[s.index], moved.index = moved, s.index
	r.sessions[last] = nil
	r.sessions = r.sessions[:last]
}

// follows reports whether the event comes after what the user's memberships were read at. One
// that comes before is in them already, though it may be delivered later: to apply it would put
// the user back into channels that it has left.
func (u *onlineUser) follows(e *chime.Event) bool {
	return u.loading == nil && (e.Position > u.since || e.Ephemeral && e.Position == u.since)
}

// seatIn is the index of the user's seat in a channel, negative when it has none. It looks where
// there is less to look through.
func (u *onlineUser) seatIn(c *channelRoster) int {
	if c != nil && len(c.online) < len(u.seats) {
		for _, o := range c.online {
			if o.onlineUser == u {
				return int(o.index)
			}
		}
		return -1
	}
	return slices.IndexFunc(u.seats, func(s seat) bool { return s.channel == c })
}

// join makes a user a member of a channel or sub-channel.
func (r *roster) join(u *onlineUser, topic chime.Topic) {
	r.seat(u, topic)
	if topic.Sub != "" {
		r.seat(u, topic.Whole())
	}
}

func (r *roster) seat(u *onlineUser, topic chime.Topic) {
	c := r.channels[topic]
	if c == nil {
		c = &channelRoster{topic: topic}
		r.channels[topic] = c
	} else if u.seatIn(c) >= 0 {
		return
	}
	u.seats = append(u.seats, seat{c, int32(len(c.online))})
	c.online = append(c.online, occupant{u, int32(len(u.seats) - 1)})
}

// part takes a user off a channel, all its sub-channels included, or off one sub-channel.
func (r *roster) part(u *onlineUser, topic chime.Topic) {
	r.unseatFrom(u, topic)
	whole := topic.Whole()
	subs := 0
	for i := len(u.seats) - 1; i >= 0; i-- { // unseating moves the last one
		other := u.seats[i].channel.topic
		if other.Sub == "" || other.Whole() != whole {
			continue
		}
		if topic.Sub == "" {
			r.unseatFrom(u, other)
		} else {
			subs++
		}
	}
	if topic.Sub != "" && subs == 0 {
		r.unseatFrom(u, whole)
	}
}

func (r *roster) unseatFrom(u *onlineUser, topic chime.Topic) {
	if i := u.seatIn(r.channels[topic]); i >= 0 {
		r.unseat(u, i)
	}
}

// unseat takes the seat i of a user away. The last entries of both lists take the free places.
func (r *roster) unseat(u *onlineUser, i int) {
	c, at := u.seats[i].channel, u.seats[i].index
	last := len(c.online) - 1
	c.online[at] = c.online[last]
	c.online[at].seats[c.online[at].index].index = at
	c.online[last] = occupant{}
	if c.online = c.online[:last]; last == 0 {
		delete(r.channels, c.topic)
	}

	final := len(u.seats) - 1
	if i < final {
		u.seats[i] = u.seats[final]
		u.seats[i].channel.online[u.seats[i].index].index = int32(i)
	}
	u.seats[final] = seat{}
	u.seats = u.seats[:final]
}
