package presence

import (
	"github.com/carillon-chat/carillon/internal/chime"
)

// board is the users that are shown online in the channels of one app instance, and the changes that
// were not sent yet. It belongs to one goroutine.
type board struct {
	app      string
	position uint64 // of the log, that memberships were last read at
	news     news   // not applied yet

	users   map[chime.Ref]*user
	shown   map[chime.Topic]map[chime.Ref]struct{}
	changes map[chime.Topic]*change
}

// user is a user that is online.
type user struct {
	listens     bool // a session gets presence
	memberships map[chime.Topic]membership
}

// membership is the part of a membership that presence depends on.
type membership struct {
	channelID string
	order     uint64 // differs from that of an earlier membership of the user in the channel
	hidden    bool
}

// change is what was not sent to a channel yet.
type change struct {
	channelID       string
	online, offline map[chime.Ref]struct{}
	waited          int // intervals
}

// crowd is the number of users shown in a channel that delays its changes by one more interval.
const crowd = 1000

func newBoard(app string) *board {
	return &board{
		app: app, news: make(news), users: make(map[chime.Ref]*user),
		shown: make(map[chime.Topic]map[chime.Ref]struct{}), changes: make(map[chime.Topic]*change),
	}
}

// isEmpty reports whether the board can be forgotten.
func (b *board) isEmpty() bool { return len(b.news)+len(b.users)+len(b.changes) == 0 }

// hear adds news to that which was not applied yet.
func (b *board) hear(all news) {
	for ref, is := range all {
		was := b.news[ref]
		is.opened = is.opened || was.opened && is.online && !is.left
		is.left = is.left || was.left
		b.news[ref] = is
	}
}

// update applies the news: it shows users where they are members now. It returns the users that need a
// snapshot of a channel.
func (b *board) update(found map[chime.Ref]map[chime.Topic]membership) map[chime.Topic][]chime.Ref {
	wanted := make(map[chime.Topic][]chime.Ref)
	for ref, is := range b.news {
		u := b.users[ref]
		if u == nil {
			u = new(user)
			b.users[ref] = u
		}
		u.listens = is.opened || u.listens && !is.left

		// A session that begins knows nothing of any channel.
		gained := b.move(ref, u, found[ref])
		if is.opened {
			gained = nil
			for topic := range u.memberships {
				gained = append(gained, topic)
			}
		}
		if u.listens {
			for _, topic := range gained {
				wanted[topic] = append(wanted[topic], ref)
			}
		}
		if !is.online {
			delete(b.users, ref)
		}
	}
	clear(b.news)
	return wanted
}

// move shows a user where it is a member now and no longer where it was one. It returns the channels of
// new memberships.
func (b *board) move(ref chime.Ref, u *user, now map[chime.Topic]membership) (gained []chime.Topic) {
	before := u.memberships
	u.memberships = now
	for topic, was := range before {
		if is, still := now[topic]; !was.hidden && (!still || is.hidden) {
			remove(b.shown, topic, ref)
			b.change(topic, was.channelID).offer(ref, false)
		}
	}
	for topic, is := range now {
		was, already := before[topic]
		if !already || was.order != is.order {
			gained = append(gained, topic)
		}
		if !is.hidden && (!already || was.hidden) {
			add(b.shown, topic, ref)
			b.change(topic, is.channelID).offer(ref, true)
		}
	}
	return gained
}

func (b *board) change(topic chime.Topic, channelID string) *change {
	c := b.changes[topic]
	if c == nil {
		c = &change{channelID: channelID, online: make(map[chime.Ref]struct{}), offline: make(map[chime.Ref]struct{})}
		b.changes[topic] = c
	}
	return c
}

// offer notes that a user is shown from now on, or no longer. A change that is undone before it was sent
// did not happen.
func (c *change) offer(ref chime.Ref, online bool) {
	to, from := c.online, c.offline
	if !online {
		to, from = from, to
	}
	if _, undone := from[ref]; undone {
		delete(from, ref)
	} else {
		to[ref] = struct{}{}
	}
}

// due takes the changes that are to be sent in this interval.
func (b *board) due() map[chime.Topic]*change {
	due := make(map[chime.Topic]*change)
	for topic, c := range b.changes {
		if c.waited++; c.waited <= len(b.shown[topic])/crowd {
			continue
		}
		delete(b.changes, topic)
		if len(c.online)+len(c.offline) > 0 {
			due[topic] = c
		}
	}
	return due
}
