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
		s := &Service{kept: newExcerpts(100 * excerptOverhead)}
		s.kept.put(place{"c", latestMessages}, excerpt{app: "A", at: 5, text: []byte("c")})
		s.kept.put(place{"d", latestMessages}, excerpt{app: "A", at: 5, text: []byte("d")})
		s.kept.put(place{"e", latestMessages}, excerpt{app: "B", at: 5, text: []byte("e")})
		tc.removal.Position = 7
		s.Deliver([]*chime.Event{&tc.removal})
		var left []string
		for _, uid := range []string{"c", "d", "e"} {
			if _, kept := s.kept.by[place{uid, latestMessages}]; kept {
				left = append(left, uid)
			}
		}
		if got := strings.Join(left, " "); got != tc.left || s.kept.size != len(left)*(1+excerptOverhead) {
			t.Errorf("after %s %q is left, want %q; %d bytes", tc.removal.Type, got, tc.left, s.kept.size)
		}
		late := place{"late", latestMessages}
		s.kept.put(late, excerpt{app: tc.removal.App, at: 6, text: []byte("x")})
		if tc.removal.Removes() == (s.kept.by[late].text != nil) {
			t.Errorf("after %s what was read before it is kept: %v", tc.removal.Type, s.kept.by[late])
		}
	}
}
