package unread

import (
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
)

// tallies is the counts of users with a session that gets unread counts. A count is read once; messages
// that are created later are added to it, and anything else has it read again.
type tallies struct {
	mu    lockorder.Mutex[lockorder.Leaf]
	users map[chime.UserKey]map[chime.Topic]*tally
	dirty map[membership]struct{} // to be sent, if there is news
}

// membership is a user in a channel, or in a sub-channel.
type membership struct {
	user  chime.Ref
	topic chime.Topic
}

func (m membership) owner() chime.UserKey { return chime.UserKey{App: m.topic.App, User: m.user} }

// tally is the count of one membership.
type tally struct {
	Reading
	channelID string
	stale     bool // it has to be read
	reading   bool
	sent      bool   // before is what the client was sent last
	before    uint64 // of what is counted
}

func newTallies() *tallies {
	return &tallies{users: make(map[chime.UserKey]map[chime.Topic]*tally), dirty: make(map[membership]struct{})}
}

// of returns the tally of a membership, a stale one when there is none. The caller holds mu.
func (t *tallies) of(m membership) *tally {
	own := t.users[m.owner()]
	if own == nil {
		own = make(map[chime.Topic]*tally)
		t.users[m.owner()] = own
	}
	if own[m.topic] == nil {
		own[m.topic] = &tally{stale: true}
	}
	return own[m.topic]
}

// created adds the message of an event to the count of a member that gets it.
func (t *tallies) created(m membership, e *chime.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tally := t.of(m)
	switch {
	case tally.stale:
	case tally.reading: // before the message or after it
		tally.stale = true
	case chime.MessageTime(e.Object) <= tally.Marker: // a channel flow let it pass later than it was sent
		tally.stale = true
	case e.Position > tally.Position:
		tally.Position = e.Position
		if e.Subject == m.user {
			return
		}
		tally.Count++
	default: // it is counted already
		return
	}
	t.dirty[m] = struct{}{}
}

// changed notes that a count has to be read again.
func (t *tallies) changed(m membership) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(m).stale = true
	t.dirty[m] = struct{}{}
}

// changedAll notes that every count of an app instance has to be read again.
func (t *tallies) changedAll(app string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for user, own := range t.users {
		if user.App != app {
			continue
		}
		for topic, tally := range own {
			tally.stale = true
			t.dirty[membership{user.User, topic}] = struct{}{}
		}
	}
}

// forget drops the tallies of a user whose sessions have ended: newer sessions have got none of them.
func (t *tallies) forget(u chime.UserKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.users, u)
}

// end drops the tally of a membership that has ended.
func (t *tallies) end(m membership) {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.users[m.owner()]
	delete(own, m.topic)
	if len(own) == 0 {
		delete(t.users, m.owner())
	}
}

// take returns the memberships whose counts may be news, by app instance.
func (t *tallies) take() map[string][]membership {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[string][]membership)
	for m := range t.dirty {
		all[m.topic.App] = append(all[m.topic.App], m)
	}
	clear(t.dirty)
	return all
}

// again puts back what could not be sent.
func (t *tallies) again(dirty []membership) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range dirty {
		t.dirty[m] = struct{}{}
	}
}

// startReading reports whether the count of a membership has to be read, and expects it to be.
func (t *tallies) startReading(m membership) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	tally := t.of(m)
	if !tally.stale {
		return false
	}
	tally.stale, tally.reading = false, true
	return true
}

// finishReading takes what was read. What has happened meanwhile has made the count stale again.
func (t *tallies) finishReading(m membership, now Reading, channelID string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tally := t.users[m.owner()][m.topic]
	switch {
	case tally == nil: // the membership has ended
	case err != nil:
		tally.stale, tally.reading = true, false
	default:
		tally.Reading, tally.channelID, tally.reading = now, channelID, false
	}
}

// news returns a tally that has been read and notes that it is sent. It reports false when the client has
// been sent the same count before.
func (t *tallies) news(m membership) (now tally, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tally := t.users[m.owner()][m.topic]
	if tally == nil || tally.channelID == "" || tally.sent && tally.before == tally.Count {
		return now, false
	}
	tally.sent, tally.before = true, tally.Count
	return *tally, true
}
