package realtime

import (
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
)

// SessionEvent says that a session of a user has begun or that its last one has ended. There are
// none of app instances without extras.
type SessionEvent struct {
	App  string
	User chime.Ref
	// Opened tells a session that begins from the end of a user's last one.
	Opened bool
	// Allowed are the extras of the app instance, Wants those of them that the session gets; of a
	// session that begins.
	Allowed, Wants Extras
}

// Watcher holds the session events that its owner has not taken yet. Publishing never waits for the
// owner, and no lock of the hub is held while the owner works.
type Watcher struct {
	mu     lockorder.Mutex[lockorder.Watcher]
	events []SessionEvent
}

// Watch makes a watcher of the sessions that begin and end from now on. It is called before the
// first session attaches.
func (h *Hub) Watch() *Watcher {
	w := new(Watcher)
	h.env.watchers = append(h.env.watchers, w)
	return w
}

// Take returns the events since the last call. Those of one user are in the order in which they
// happened.
func (w *Watcher) Take() []SessionEvent {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events
}

// watchers are all that there are. The list does not change once a session attaches.
type watchers []*Watcher

// publish puts an event into every watcher. The caller holds the roster's mu, so that the events of
// a user have their order.
func (all watchers) publish(e SessionEvent) {
	for _, w := range all {
		w.mu.Lock()
		w.events = append(w.events, e)
		w.mu.Unlock()
	}
}
