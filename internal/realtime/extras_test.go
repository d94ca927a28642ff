package realtime

import (
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
)

// A user is a listener once, however many of its sessions get the extra.
func TestListenersAreUsersWithTheExtra(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Extras = chime.AllExtras })
	w.commit(join("c", "ann", "bob"), join("d", "cy"))
	w.deliver()
	for _, s := range []struct {
		user, session string
		wants         chime.Extras
	}{
		{"ann", "1", chime.ExtraUnread}, {"ann", "2", chime.ExtraUnread}, {"ann", "3", 0},
		{"bob", "1", chime.AllExtras}, {"bob", "2", chime.ExtraTyping}, {"cy", "1", chime.ExtraUnread},
	} {
		w.listenFor(s.user, s.session, s.wants)
	}
	sent := message("c", "1")
	sent.App, sent.Position = "A", 1000 // later than what the users were read at
	got := w.hub.Listeners(&sent, chime.ExtraUnread)
	slices.Sort(got)
	if want := []chime.Ref{"user/ann", "user/bob"}; !slices.Equal(got, want) {
		t.Errorf("the listeners are %q, want %q", got, want)
	}
}
