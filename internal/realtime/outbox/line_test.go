package outbox

import (
	"slices"
	"testing"
	"testing/synctest"
)

// The frames of a line are taken together, whatever room there is; others as far as they fit.
func TestLinesAreTakenWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newSession(1000)
		s.queue.Open(0, nil, nil, false)
		for _, line := range [][]string{{"aa", "bb", "cc"}, {"dd"}, {"ee", "ff"}} {
			var frames []*Frame
			for _, text := range line {
				frames = append(frames, &Frame{Bytes: []byte(text)})
			}
			LineUp(frames)
			for _, f := range frames {
				s.queue.Push(f, 0)
			}
		}
		for _, want := range [][]string{{"aa", "bb", "cc"}, {"dd", "ee"}, {"ff"}, nil} {
			if got := s.take(5); !slices.Equal(got, want) {
				t.Errorf("took %q, want %q", got, want)
			}
		}
	})
}

// What lies in a line is one piece, and nothing else is.
func TestExtend(t *testing.T) {
	a, b, other := &Frame{Bytes: []byte("aa")}, &Frame{Bytes: []byte("bb")}, []byte("bb")
	LineUp([]*Frame{a, b})
	if piece, ok := Extend(a.Bytes, b.Bytes); !ok || string(piece) != "aabb" {
		t.Errorf("a line is %q, %v", piece, ok)
	}
	for _, next := range [][]byte{other, a.Bytes, {}} {
		if piece, ok := Extend(a.Bytes, next); ok || string(piece) != "aa" {
			t.Errorf("with %q behind it a frame is %q, %v", next, piece, ok)
		}
	}
	if _, ok := Extend(b.Bytes, other); ok {
		t.Error("a line goes on behind its end")
	}
}
