package wsconn

import (
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/realtime/outbox"
)

// A line is written as it lies in memory, by every connection the same bytes; other frames are joined.
func TestALineIsWrittenAsItIs(t *testing.T) {
	a, b := &outbox.Frame{Bytes: []byte("aa")}, &outbox.Frame{Bytes: []byte("bb")}
	outbox.LineUp([]*outbox.Frame{a, b})
	for name, test := range map[string]struct {
		control string
		frames  [][]byte
		want    string
		copied  bool
	}{
		"a line":           {"", [][]byte{a.Bytes, b.Bytes}, "aabb", false},
		"a frame alone":    {"", [][]byte{a.Bytes}, "aa", false},
		"no line":          {"", [][]byte{a.Bytes, []byte("bb")}, "aabb", true},
		"out of order":     {"", [][]byte{b.Bytes, a.Bytes}, "bbaa", true},
		"behind a control": {"ping", [][]byte{a.Bytes, b.Bytes}, "pingaabb", true},
		"a control alone":  {"ping", nil, "ping", true},
	} {
		t.Run(name, func(t *testing.T) {
			batch := batch{joined: []byte(test.control), frames: slices.Clone(test.frames)}
			batch.join()
			if string(batch.out) != test.want || batch.count != len(test.frames) {
				t.Errorf("%d frames are written as %q, want %q", batch.count, batch.out, test.want)
			}
			if copied := len(test.frames) == 0 || &batch.out[0] != &test.frames[0][0]; copied != test.copied {
				t.Errorf("copied: %v", copied)
			}
		})
	}
}
