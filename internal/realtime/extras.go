package realtime

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Extras and its values are those of the domain.
type Extras = chime.Extras

// The extras that there are.
const (
	ExtraPresence = chime.ExtraPresence
	ExtraTyping   = chime.ExtraTyping
	ExtraUnread   = chime.ExtraUnread
)

// Companion sees to the extras. No call may block or call back, but for Allowed, which reads.
type Companion interface {
	// Allowed are the extras that the app instance has.
	Allowed(r store.Reader, app string) (Extras, error)
	// Came is called when a session of a user begins, Went when its last one has ended, both of
	// app instances with extras only.
	Came(app string, user chime.Ref, allowed, wants Extras)
	Went(app string, user chime.Ref)
	// Client hears the texts of a session with extras; nil ignores them.
	Client(Grant) Client
}

// Client hears what a client says.
type Client interface {
	// Received takes a text, which it may not keep.
	Received(text []byte)
}

// listening leaves those sessions that asked for the extra. Who types is not told so.
func listening(to []*Session, extra Extras, e *chime.Event) []*Session {
	return slices.DeleteFunc(to, func(s *Session) bool {
		return s.extras&extra == 0 || extra == ExtraTyping && s.user.ref == e.Subject
	})
}

// Listeners are the online members whom an event of the channel reaches and who asked for the extra.
func (h *Hub) Listeners(e *chime.Event, extra Extras) (users []chime.Ref) {
	r := h.roster(e.App)
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listeners == 0 {
		return nil
	}
	for _, s := range listening(r.audience(nil, e), extra, e) {
		if !slices.Contains(users, s.user.ref) {
			users = append(users, s.user.ref)
		}
	}
	return users
}

// Listens reports whether a user is online and asked for the extra.
func (h *Hub) Listens(app string, user chime.Ref, extra Extras) bool {
	r := h.roster(app)
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.users[user]
	return u != nil && r.listeners > 0 && slices.ContainsFunc(u.sessions, func(s *Session) bool { return s.extras&extra != 0 })
}
