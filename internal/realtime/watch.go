package realtime

import (
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
)

// UserChange is what has become of the sessions of a user since they were last asked about. There are
// none of app instances without extras.
type UserChange struct {
	chime.UserKey
	// Online reports whether the user has sessions.
	Online bool
	// Left reports whether the last of the sessions ended that the user had before: those that it
	// has are newer, and what was sent to the user before is known to none of them.
	Left bool
	// Allowed are the extras of the app instance, Wants those that sessions get which have begun.
	// Both are zero while the user is offline.
	Allowed, Wants chime.Extras
}

// Watcher gathers the changes that its owner has not taken yet. It loses none and holds one for each
// user that is online or was when its owner looked last. Noting a change never waits for the owner.
type Watcher struct {
	mu      lockorder.Mutex[lockorder.Watcher]
	changes map[chime.UserKey]*gathered
}

// gathered is what a Watcher has of one user.
type gathered struct {
	UserChange
	before bool // the user was online when the owner looked last
}

// Watch makes a watcher of the sessions that begin and end from now on. It is called before the
// first session attaches.
func (h *Hub) Watch() *Watcher {
	w := &Watcher{changes: make(map[chime.UserKey]*gathered)}
	h.env.watchers = append(h.env.watchers, w)
	return w
}

// Take returns the changes since the last call, in no order.
func (w *Watcher) Take() []UserChange {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := make([]UserChange, 0, len(w.changes))
	for _, c := range w.changes {
		taken = append(taken, c.UserChange)
	}
	clear(w.changes)
	return taken
}

// watchers are all that there are. The list does not change once a session attaches. What happens is
// noted under the roster's mu, so that what happens to one user has its order.
type watchers []*Watcher

// opened notes that a session of a user begins, its first one or one more.
func (all watchers) opened(user chime.UserKey, first bool, allowed, wants chime.Extras) {
	for _, w := range all {
		w.mu.Lock()
		c := w.changes[user]
		if c == nil {
			c = &gathered{UserChange{UserKey: user}, !first}
			w.changes[user] = c
		}
		c.Online, c.Allowed, c.Wants = true, allowed, c.Wants|wants
		w.mu.Unlock()
	}
}

// closed notes that the last session of a user has ended. A user that came and went between two
// looks leaves nothing to know.
func (all watchers) closed(user chime.UserKey) {
	for _, w := range all {
		w.mu.Lock()
		if c := w.changes[user]; c != nil && !c.before {
			delete(w.changes, user)
		} else {
			w.changes[user] = &gathered{UserChange{UserKey: user, Left: true}, true}
		}
		w.mu.Unlock()
	}
}
