package realtime

import (
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// allowed are the extras that an app instance has.
func (env *environment) allowed(r store.Reader, app string) (chime.Extras, error) {
	tags, _, err := store.Tags.Get(r, store.TagsKey(chime.Resource{App: app, Kind: chime.KindAppInstance}))
	allowed := env.Extras
	for _, tag := range tags {
		if tag.Key == chime.ExtrasTag {
			allowed |= chime.ParseExtras(strings.Split(tag.Value, " "))
		}
	}
	return allowed, err
}

// Client hears what a client says.
type Client interface {
	// Received takes a text, which it may not keep.
	Received(text []byte)
}

// listening leaves the sessions that get the extra. TYPING does not go back to the user that types.
func listening(to []*Session, extra chime.Extras, e *chime.Event) []*Session {
	return slices.DeleteFunc(to, func(s *Session) bool {
		return s.extras&extra == 0 || extra == chime.ExtraTyping && s.user.ref == e.Subject
	})
}

// Listeners are the online members that an event of the channel reaches and that have a session with
// the extra.
func (h *Hub) Listeners(e *chime.Event, extra chime.Extras) (users []chime.Ref) {
	r := h.roster(e.App)
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listeners == 0 {
		return nil
	}
	members, _ := r.audience(nil, e)
	for _, s := range listening(members, extra, e) {
		if n := len(users); n == 0 || users[n-1] != s.user.ref { // the sessions of a user are together
			users = append(users, s.user.ref)
		}
	}
	return users
}

// IsOnline reports whether a user has a session.
func (h *Hub) IsOnline(app string, user chime.Ref) bool {
	r := h.roster(app)
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.users[user]
	return u != nil && len(u.sessions) > 0
}

// Listens reports whether a user has a session with the extra.
func (h *Hub) Listens(app string, user chime.Ref, extra chime.Extras) bool {
	r := h.roster(app)
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.users[user]
	return u != nil && r.listeners > 0 && slices.ContainsFunc(u.sessions, func(s *Session) bool { return s.extras&extra != 0 })
}
