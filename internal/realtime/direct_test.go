package realtime

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// listenFor connects a socket that asks for extras.
func (w *world) listenFor(user, session string, wants chime.Extras) *socket {
	w.t.Helper()
	s := new(socket)
	var err error
	if s.session, err = w.hub.Attach(w.t.Context(), Grant{App: "A", User: chime.UserRef(user), SessionID: session, Extras: wants}, s); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.session.Detach)
	return s
}

// count is an event for one user that belongs behind a position of the log.
func count(channel string, position uint64) *chime.Event {
	return &chime.Event{Type: chime.EventUnreadCount, MessageType: chime.MessageTypeSystem, Topic: chime.Topic{App: "A", Channel: channel}, Position: position}
}

func (w *world) position() (position uint64) {
	w.t.Helper()
	err := w.st.View(w.t.Context(), "A", func(r store.Reader) (err error) {
		position, err = r.Position()
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return position
}

func TestSendToReachesTheSessionsOfOneUserThatGetTheExtra(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Extras = chime.AllExtras })
	w.commit(join("c", "ann", "bob"))
	w.deliver()
	ann, plain, bob := w.listenFor("ann", "1", chime.ExtraUnread), w.listenFor("ann", "2", 0), w.listenFor("bob", "1", chime.ExtraUnread)
	w.hub.SendTo("A", "user/ann", chime.ExtraUnread, count("c", 0), count("d", 0)) // ann is no member of d
	w.hub.SendTo("A", "user/cy", chime.ExtraUnread, count("c", 0))
	w.hub.SendTo("B", "user/ann", chime.ExtraUnread, count("c", 0))
	w.expect(ann, "UNREAD_COUNT")
	w.expect(plain)
	w.expect(bob)
}

// A direct event follows the events of the log that it is about, and a member that left gets
// none.
func TestSendToWaitsForTheLog(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Extras = chime.AllExtras })
	w.commit(join("c", "ann", "bob"))
	w.deliver()
	ann, bob := w.listenFor("ann", "1", chime.ExtraUnread), w.listenFor("bob", "1", chime.ExtraUnread)
	w.commit(message("c", "1"), leave("c", "bob"))
	for _, user := range []chime.Ref{"user/ann", "user/bob"} {
		w.hub.SendTo("A", user, chime.ExtraUnread, count("c", w.position()))
	}
	w.commit(message("c", "2"))
	w.expect(ann, "MSG 1", "LEAVE bob", "UNREAD_COUNT", "MSG 2")
	w.expect(bob, "MSG 1", "LEAVE bob")
}
