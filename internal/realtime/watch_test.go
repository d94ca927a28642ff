package realtime

import (
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
)

// ann is the user of these tests.
var ann = chime.UserKey{App: "A", User: "user/ann"}

// What a watcher says of a user whose sessions begin and end, however often it is asked.
func TestWatchersLoseNoChange(t *testing.T) {
	online := func(wants chime.Extras) UserChange {
		return UserChange{UserKey: ann, Online: true, Allowed: chime.AllExtras, Wants: wants}
	}
	offline := UserChange{UserKey: ann, Left: true}
	for name, test := range map[string]struct {
		do   []string       // the extra that a session begins with, or after a - the one of the session that ends
		each [][]UserChange // what a watcher says that is asked after each
		last []UserChange   // what a watcher says that is asked at the end alone
	}{
		"a user comes": {
			[]string{"presence"}, [][]UserChange{{online(chime.ExtraPresence)}}, []UserChange{online(chime.ExtraPresence)}},
		"sessions begin and end beside another": {
			[]string{"presence", "unread", "-presence"},
			[][]UserChange{{online(chime.ExtraPresence)}, {online(chime.ExtraUnread)}, nil},
			[]UserChange{online(chime.ExtraPresence | chime.ExtraUnread)}},
		"a user comes and goes": {
			[]string{"presence", "-presence"}, [][]UserChange{{online(chime.ExtraPresence)}, {offline}}, nil},
		"a user was away since the last look": {
			[]string{"", "presence", "-", "-presence", "unread"},
			[][]UserChange{{online(0)}, {online(chime.ExtraPresence)}, nil, {offline}, {online(chime.ExtraUnread)}},
			[]UserChange{online(chime.ExtraUnread)}},
		"a user is back with another session": {
			[]string{"presence", "-presence", "unread"},
			[][]UserChange{{online(chime.ExtraPresence)}, {offline}, {online(chime.ExtraUnread)}},
			[]UserChange{online(chime.ExtraUnread)}},
	} {
		w := newWorld(t, func(o *Options) { o.Extras = chime.AllExtras })
		each, last := w.hub.Watch(), w.hub.Watch()
		sockets := map[string]*socket{}
		for i, step := range test.do {
			if session, ends := strings.CutPrefix(step, "-"); ends {
				sockets[session].session.Detach()
			} else {
				sockets[step] = w.listenFor("ann", step, chime.ParseExtras([]string{step}))
			}
			if got := each.Take(); !slices.Equal(got, test.each[i]) {
				t.Errorf("%s: after %s a watcher says %v, want %v", name, step, got, test.each[i])
			}
		}
		if got := last.Take(); !slices.Equal(got, test.last) {
			t.Errorf("%s: at the end a watcher says %v, want %v", name, got, test.last)
		}
	}
}

// A watcher that is asked while a user is online, and again when it is back, says that it was away.
func TestWatchersTellThatAUserWasAway(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Extras = chime.AllExtras })
	watcher := w.hub.Watch()
	first := w.listenFor("ann", "1", chime.ExtraPresence)
	watcher.Take()
	first.session.Detach()
	w.listenFor("ann", "2", chime.ExtraUnread)
	want := []UserChange{{UserKey: ann, Online: true, Left: true, Allowed: chime.AllExtras, Wants: chime.ExtraUnread}}
	if got := watcher.Take(); !slices.Equal(got, want) {
		t.Errorf("a watcher says %v, want %v", got, want)
	}
}

func TestWatchersHearNothingOfAppInstancesWithoutExtras(t *testing.T) {
	w := newWorld(t)
	watcher := w.hub.Watch()
	w.attach("ann", "1").session.Detach()
	w.attach("ann", "2")
	if got := watcher.Take(); len(got) > 0 {
		t.Errorf("a watcher says %v", got)
	}
}
