package prefetch

import (
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
)

// What is kept is let go of with the content that it holds, and nothing read before is kept after.
func TestExcerptsGoWithWhatIsRemoved(t *testing.T) {
	for _, tc := range []struct {
		removal chime.Event
		left    string
	}{
		{chime.Event{Type: chime.EventRedactMessage, Topic: chime.Topic{App: "A", Channel: "c"}, Object: "m"}, "d e"},
		{chime.Event{Type: chime.EventDeleteChannel, Topic: chime.Topic{App: "A", Channel: "d"}}, "c e"},
		{chime.Event{Type: chime.EventPutRetention, Topic: chime.Topic{App: "A"}}, "e"},
		{chime.Event{Type: chime.EventDeleteAppInstance, Topic: chime.Topic{App: "B"}}, "c d"},
		{chime.Event{Type: chime.EventUpdateMessage, Topic: chime.Topic{App: "A", Channel: "c"}, Object: "m"}, "c d e"},
	} {
		s := &Service{kept: newExcerpts(100)}
		s.kept.put("c", excerpt{"A", 5, []byte("c")})
		s.kept.put("d", excerpt{"A", 5, []byte("d")})
		s.kept.put("e", excerpt{"B", 5, []byte("e")})
		tc.removal.Position = 7
		s.Deliver([]*chime.Event{&tc.removal})
		var left []string
		for _, uid := range []string{"c", "d", "e"} {
			if _, kept := s.kept.by[uid]; kept {
				left = append(left, uid)
			}
		}
		if got := strings.Join(left, " "); got != tc.left || s.kept.size != len(left) {
			t.Errorf("after %s %q is left, want %q; %d bytes", tc.removal.Type, got, tc.left, s.kept.size)
		}
		if s.kept.put("late", excerpt{tc.removal.App, 6, []byte("x")}); tc.removal.Removes() == (s.kept.by["late"].text != nil) {
			t.Errorf("after %s what was read before it is kept: %v", tc.removal.Type, s.kept.by["late"])
		}
	}
}
