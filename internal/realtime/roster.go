package realtime

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
)

// The roster is who is online in which channels. It is flat: a room lists its members and a
// member its rooms, and each entry knows the place of its counterpart, so that leaving takes no
// search and an idle member no maps.

type userKey struct {
	app  string
	user chime.Ref
}

// member is one online user.
type member struct {
	userKey
	sessions []*Session
	// rooms are the channels and sub-channels that the user is in. Who is in any sub-channel of a
	// channel is in the whole channel too, once: its own events have no Sub.
	rooms   []seat
	since   uint64   // position of the log that the memberships were read at
	allowed Extras   // of the app instance
	loading *loading // nil once the memberships are known
}

// loading is what a member has while its memberships are read.
type loading struct {
	done    chan struct{}  // closed at the end
	failed  error          // why it failed, set before done
	pending []*chime.Event // what came meanwhile
}

// room is a channel or sub-channel that somebody online is in.
type room struct {
	key    chime.Topic
	online []guest
}

// seat is the place of a member in a room.
type seat struct {
	room *room
	at   int32 // in room.online
}

// guest is a member that is in a room.
type guest struct {
	*member
	at int32 // in member.rooms
}

// follows reports whether the event comes after what the user's memberships were read at. One
// that comes before is in them already, though it may be delivered later: to apply it would put
// the user back into channels that it has left.
func (m *member) follows(e *chime.Event) bool {
	return m.loading == nil && (e.Position > m.since || e.Ephemeral && e.Position == m.since)
}

// seatIn is the index of the member's seat in a room, negative when it has none. It looks where
// there is less to look through.
func (m *member) seatIn(r *room) int {
	if r != nil && len(r.online) < len(m.rooms) {
		for _, g := range r.online {
			if g.member == m {
				return int(g.at)
			}
		}
		return -1
	}
	return slices.IndexFunc(m.rooms, func(s seat) bool { return s.room == r })
}

func (h *Hub) join(m *member, key chime.Topic) {
	h.enlist(m, key)
	if key.Sub != "" {
		h.enlist(m, key.Whole())
	}
}

func (h *Hub) enlist(m *member, key chime.Topic) {
	r := h.rooms[key]
	if r == nil {
		r = &room{key: key}
		h.rooms[key] = r
	} else if m.seatIn(r) >= 0 {
		return
	}
	m.rooms = append(m.rooms, seat{r, int32(len(r.online))})
	r.online = append(r.online, guest{m, int32(len(m.rooms) - 1)})
}

// part takes a user off a channel, all its sub-channels included, or off one sub-channel.
func (h *Hub) part(m *member, key chime.Topic) {
	h.strike(m, key)
	whole := key.Whole()
	subs := 0
	for i := len(m.rooms) - 1; i >= 0; i-- { // strike moves the last one
		other := m.rooms[i].room.key
		if other.Sub == "" || other.Whole() != whole {
			continue
		}
		if key.Sub == "" {
			h.strike(m, other)
		} else {
			subs++
		}
	}
	if key.Sub != "" && subs == 0 {
		h.strike(m, whole)
	}
}

func (h *Hub) strike(m *member, key chime.Topic) {
	i := m.seatIn(h.rooms[key])
	if i < 0 {
		return
	}
	h.unseat(m, i)
}

// unseat ends the stay of a member in the room of its seat i.
func (h *Hub) unseat(m *member, i int) {
	r, at := m.rooms[i].room, m.rooms[i].at
	last := len(r.online) - 1
	r.online[at] = r.online[last]
	r.online[at].rooms[r.online[at].at].at = at
	r.online[last] = guest{}
	if r.online = r.online[:last]; last == 0 {
		delete(h.rooms, r.key)
	}
	final := len(m.rooms) - 1
	if i < final {
		m.rooms[i] = m.rooms[final]
		m.rooms[i].room.online[m.rooms[i].at].at = int32(i)
	}
	m.rooms[final] = seat{}
	m.rooms = m.rooms[:final]
}

// leave takes a session off its user, and the user off its channels with the last one.
func (h *Hub) leave(s *Session) {
	m := s.member
	if i := slices.Index(m.sessions, s); i >= 0 {
		m.sessions = slices.Delete(m.sessions, i, i+1)
		h.unlist(s)
		if m.loading == nil && s.extras != 0 {
			h.listeners--
		}
	}
	h.forget(m)
}

// forget takes a user without sessions off the roster.
func (h *Hub) forget(m *member) {
	if len(m.sessions) > 0 || m.loading != nil || h.users[m.userKey] != m {
		return
	}
	for len(m.rooms) > 0 {
		h.unseat(m, len(m.rooms)-1)
	}
	delete(h.users, m.userKey)
	if m.allowed != 0 {
		h.opts.Companion.Went(m.app, m.user)
		h.publish(SessionEvent{App: m.app, User: m.user})
	}
}
