package outbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// session counts the calls of its queue. It makes frames again as "again-<text>", those of messages
// that are gone not at all.
type session struct {
	queue  Queue
	ready  int
	gone   map[string]bool
	failed error
}

// Ready locks the queue, which would not return if the queue were locked.
func (s *session) Ready() {
	s.queue.IsClosed()
	s.ready++
}

func (s *session) Write() { s.Ready() }

func (s *session) Remake(stale []*Frame) (map[*Frame]*Frame, error) {
	made := make(map[*Frame]*Frame)
	for _, f := range stale {
		made[f] = frame("again-"+string(f.Bytes), f.Event.Position)
		if s.gone[f.Event.Object] {
			made[f] = nil
		}
	}
	return made, s.failed
}

func (s *session) Fail(err error) { s.failed = err }

func newSession(maxBytes int) (*session, *Group) {
	s, g := new(session), NewGroup(maxBytes, new(Readers))
	s.queue.Init(s, g)
	return s, g
}

// frame is one of a message whose id is its text.
func frame(text string, position uint64) *Frame {
	return &Frame{Bytes: []byte(text), Event: event(chime.EventCreateMessage, text, position)}
}

func event(kind, id string, position uint64) *chime.Event {
	return &chime.Event{Type: kind, Topic: chime.Topic{App: "A", Channel: "c"}, Object: id, Position: position}
}

func (s *session) push(text string, position uint64) bool {
	return s.queue.Push(frame(text, position), position)
}

// take lists what is taken at once.
func (s *session) take(maxBytes int) (texts []string) {
	for _, f := range s.queue.Take(nil, maxBytes) {
		texts = append(texts, string(f))
	}
	return texts
}

// takeAll takes until nothing comes any more.
func (s *session) takeAll() (texts []string) {
	for {
		synctest.Wait()
		more := s.take(1)
		if len(more) == 0 {
			synctest.Wait() // what was asked for by the last call
			if more = s.take(1); len(more) == 0 {
				return texts
			}
		}
		texts = append(texts, more...)
	}
}

func expect(t *testing.T, got []string, want string) {
	t.Helper()
	if !slices.Equal(got, strings.Fields(want)) {
		t.Errorf("took %q, want %q", got, want)
	}
}

// pieces is a source that hands out pieces, and then ends the hold if there is one.
type pieces struct {
	list  [][]*Frame
	after uint64 // where the live frames begin
	// before is called before a piece is handed out and told how many are left.
	before func(left int)
	read   int
	err    error
	holds  bool
	upTo   uint64 // what Release answered when it did not release
}

func (p *pieces) Read(q *Queue) (piece []*Frame, more bool, err error) {
	p.read++
	if p.before != nil {
		p.before(len(p.list))
	}
	if len(p.list) > 0 {
		piece, p.list = p.list[0], p.list[1:]
		return piece, true, p.err
	}
	if p.holds {
		upTo, released := q.Release(p.after, []*Frame{frame("end", 0)})
		if !released {
			p.upTo = upTo
			return []*Frame{frame(fmt.Sprint("log-to-", upTo), 0)}, true, nil
		}
		p.holds = false
	}
	return nil, false, p.err
}

func TestTakesInOrderAsMuchAsFits(t *testing.T) {
	s, _ := newSession(100)
	s.queue.Open(5, []*Frame{frame("first", 0)}, nil, false)
	for i, text := range []string{"old", "aa", "bb", "cccccccc"} {
		if !s.push(text, uint64(i+5)) {
			t.Errorf("no room for %s", text)
		}
	}
	if s.ready != 1 {
		t.Errorf("told %d times that there is something, want once", s.ready)
	}
	expect(t, s.take(7), "first aa")
	expect(t, s.take(3), "bb")
	expect(t, s.take(3), "cccccccc") // longer than asked for, but alone
	s.push("dd", 9)
	if s.ready != 1 {
		t.Error("told though the last call took something")
	}
	expect(t, s.take(100), "dd")
	expect(t, s.take(100), "")
	s.push("ee", 10)
	if s.ready != 2 {
		t.Errorf("told %d times, want once more", s.ready)
	}
}

func TestAQueueIsBounded(t *testing.T) {
	s, _ := newSession(10)
	s.queue.Open(0, nil, nil, false)
	if !s.push(strings.Repeat("x", 20), 1) {
		t.Error("a frame that is alone has no room")
	}
	if s.push("y", 2) {
		t.Error("room for one more")
	}
	s.take(1)
	if !s.push("y", 3) || !s.push(strings.Repeat("x", 9), 4) || s.push("z", 5) {
		t.Error("10 bytes are not what there is room for")
	}
}

func TestPiecesAreReadAsTheyAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newSession(100)
		p := &pieces{list: [][]*Frame{{frame("p1", 0), frame("p2", 0)}, {frame("p3", 0)}}}
		s.queue.Open(0, []*Frame{frame("first", 0)}, p, false)
		synctest.Wait()
		if p.read != 0 {
			t.Error("a piece was read before the first frame was taken")
		}
		expect(t, s.take(1), "first")
		synctest.Wait()
		expect(t, s.take(1), "p1")
		synctest.Wait()
		if p.read != 1 {
			t.Errorf("%d pieces were read while one is not taken", p.read)
		}
		s.push("live", 1)
		expect(t, s.takeAll(), "p2 p3 live")
		if !s.queue.IsPast(1) {
			t.Error("something is still to be read")
		}
	})
}

// Live frames follow the replay, also when they come at its very end.
func TestLiveFramesWaitForTheReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newSession(100)
		p := &pieces{list: [][]*Frame{{frame("missed", 0)}}, after: 3, holds: true}
		p.before = func(left int) { s.push(fmt.Sprint("live", left), uint64(5-left)) }
		s.queue.Open(3, []*Frame{frame("first", 0)}, p, true)
		s.push("in-the-replay", 3)
		if s.queue.IsPast(9) {
			t.Error("past the replay before it has ended")
		}
		expect(t, s.takeAll(), "first missed end live1 live0")
	})
}

// A queue that overflows while it is held drops what the log has, and goes on where it dropped.
func TestAHeldQueueMayDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newSession(10)
		p := &pieces{holds: true, after: 3}
		p.before = func(int) {
			if p.read == 1 {
				for i := range uint64(5) {
					if !s.push("xxxx", 4+i) {
						t.Error("a session that replays is too slow")
					}
				}
			} else if p.read == 2 {
				s.push("in-log", 8) // on its way when the queue began again
				s.push("live", 9)
				p.after = p.upTo
			}
		}
		s.queue.Open(3, []*Frame{frame("first", 0)}, p, true)
		expect(t, s.takeAll(), "first log-to-8 end live")
	})
}

// A source that was to read up to a position beyond the live events, and cannot, goes on behind what
// came in the meantime and was not queued.
func TestAHoldThatEndsEarlier(t *testing.T) {
	for name, tc := range map[string]struct {
		pushed uint64 // up to here
		upTo   uint64
		want   string
	}{
		"nothing came":           {3, 0, "first end"},
		"less than was promised": {6, 6, "first log-to-6 end"},
		"more than was promised": {11, 9, "first log-to-9 end x10 x11"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newSession(100)
				p := &pieces{holds: true, after: 3}
				p.before = func(int) {
					if p.read == 2 {
						p.after = p.upTo
					}
				}
				s.queue.Open(9, []*Frame{frame("first", 0)}, p, true)
				for position := uint64(4); position <= tc.pushed; position++ {
					s.push(fmt.Sprint("x", position), position)
				}
				expect(t, s.takeAll(), tc.want)
				if p.upTo != tc.upTo {
					t.Errorf("not queued up to %d, want %d", p.upTo, tc.upTo)
				}
			})
		})
	}
}

func TestRemovedContentIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := newSession(100)
		s.gone = map[string]bool{"3": true}
		s.queue.Open(0, nil, nil, false)
		for i := range uint64(4) {
			s.push(fmt.Sprint(i), i+1)
		}
		g.Remove(event(chime.EventRedactMessage, "1", 5))
		g.Remove(event(chime.EventDeleteMessage, "3", 6))
		s.push("4", 7)
		if got := s.take(100); len(got) > 0 {
			t.Errorf("took %q before the frames were made again", got)
		}
		synctest.Wait()
		expect(t, s.takeAll(), "0 again-1 2 4")
	})
}

func TestAFrameThatWaitedBehindManyRemovalsIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := newSession(100)
		s.queue.Open(0, nil, nil, false)
		s.push("a", 1)
		for i := range uint64(2 * keptRemovals) {
			g.Remove(event(chime.EventRedactMessage, "elsewhere", 2+i))
		}
		s.push("b", 2*keptRemovals+2)
		expect(t, s.takeAll(), "again-a b")
	})
}

func TestAPieceIsComparedWithRemovalsSinceItWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := newSession(100)
		p := &pieces{list: [][]*Frame{{frame("p", 1)}}}
		p.before = func(int) { g.Remove(event(chime.EventRedactMessage, "p", 9)) }
		s.queue.Open(0, []*Frame{{Bytes: []byte("first")}}, p, false)
		expect(t, s.takeAll(), "first again-p")
	})
}

func TestErrorsEndTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newSession(100)
		p := &pieces{err: errors.New("disk")}
		s.queue.Open(0, nil, p, false)
		s.takeAll()
		if s.failed == nil {
			t.Error("the session was not told")
		}
		if !s.queue.Close() || s.queue.Close() {
			t.Error("not the first call alone closes")
		}
		if !s.push("late", 1) || len(s.take(100)) > 0 || s.queue.IsPast(2) {
			t.Error("a closed queue is not empty")
		}
	})
}
