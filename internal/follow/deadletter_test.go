package follow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// The events around one that cannot be handled are, in their order; the event is a dead letter in the end.
func TestAnEventThatFailsBecomesADeadLetter(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		n.fail = failOn("a/c:3")
		b.addApp("a")
		bad := b.say("a", "c:1", "d:2", "c:3")
		b.say("a", "c:4", "d:5")
		r, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		n.expect(t, "")
		time.Sleep(30 * time.Second)
		n.expect(t, "a/c:1 a/d:2")
		if letters, err := r.DeadLetters(t.Context(), "a", "", 0); len(letters) > 0 || err != nil {
			t.Errorf("given up too early: %+v, %v", letters, err)
		}
		time.Sleep(10 * time.Minute)
		n.expect(t, "a/c:4 a/d:5")

		letters, err := r.DeadLetters(t.Context(), "a", "f", 0)
		if err != nil || len(letters) != 1 {
			t.Fatalf("dead letters %+v, %v", letters, err)
		}
		l := letters[0]
		if l.Time == 0 || l.Follower != "f" || l.Position != bad || l.Kind != chime.EventUpdateChannel || l.Topic != (chime.Topic{App: "a", Channel: "c"}) ||
			l.Attempts != follow.DefaultMaxAttempts || l.LastError != "cannot do a/c:3" {
			t.Errorf("dead letter %+v", l)
		}
		if !strings.Contains(b.log.String(), "dead letter") {
			t.Errorf("log: %s", b.log)
		}
	})
}

func TestDeadLettersAreReplayed(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		n.fail = failOn("a/c:2")
		b.addApp("a")
		bad := b.say("a", "c:1", "c:2")
		b.say("a", "c:3")
		f := n.follower("f")
		f.MaxAttempts = 1
		r, stop := b.node("one", b.store, f)
		defer stop()
		time.Sleep(time.Minute)
		n.expect(t, "a/c:1 a/c:3")

		replay := func(follower string, position uint64) error { return r.Replay(t.Context(), "a", follower, position) }
		if err := replay("f", bad); err == nil || err.Error() != "cannot do a/c:2" {
			t.Errorf("replayed too early: %v", err)
		}
		l, replayable, err := r.DeadLetter(t.Context(), "a", "f", bad)
		if err != nil || !replayable || l.Attempts != 2 {
			t.Errorf("after a failed replay %+v, %v, %v", l, replayable, err)
		}
		for _, missing := range []error{replay("g", bad), replay("f", bad+1), r.Replay(t.Context(), "b", "f", bad), r.Discard(t.Context(), "a", "f", bad-1)} {
			if !errors.Is(missing, follow.ErrNotFound) {
				t.Errorf("got %v", missing)
			}
		}
		n.fail = nil
		b.must(replay("f", bad))
		n.expect(t, "a/c:2")
		if err := replay("f", bad); !errors.Is(err, follow.ErrNotFound) {
			t.Errorf("replayed again: %v", err)
		}
		if s := status(t, r)[0]; s.DeadLetters != 0 || s.Behind != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestDeadLettersAreDiscarded(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		n := notes{fail: func(context.Context, []string) error { return errors.New("no") }}
		b.addApp("a")
		first := b.say("a", "c:1")
		second := b.say("a", "c:2")
		f := n.follower("f")
		f.MaxAttempts = 1
		r, stop := b.node("one", b.store, f)
		defer stop()
		time.Sleep(time.Minute)
		if s := status(t, r)[0]; s.DeadLetters != 2 {
			t.Errorf("status %+v", s)
		}
		b.must(r.Discard(t.Context(), "a", "f", first))
		letters, err := r.DeadLetters(t.Context(), "a", "f", 0)
		if err != nil || len(letters) != 1 || letters[0].Position != second || status(t, r)[0].DeadLetters != 1 {
			t.Errorf("left: %+v, %v", letters, err)
		}
		if after, err := r.DeadLetters(t.Context(), "a", "f", second); err != nil || len(after) != 0 {
			t.Errorf("after the last: %+v, %v", after, err)
		}

		// An event that has left the log is shown, and cannot be replayed.
		b.say("a", "c:3")
		b.must(b.store.Update(t.Context(), "a", func(tx store.Tx) error { return tx.TrimEvents(second) }))
		if _, replayable, err := r.DeadLetter(t.Context(), "a", "f", second); replayable || err != nil {
			t.Errorf("replayable %v, %v", replayable, err)
		}
		if err := r.Replay(t.Context(), "a", "f", second); !errors.Is(err, store.ErrTrimmed) {
			t.Errorf("replayed %v", err)
		}
	})
}
