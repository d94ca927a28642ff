package follow_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
)

func TestMain(m *testing.M) {
	if isChild() {
		child()
	}
	goleak.VerifyTestMain(m)
}

func TestEveryAppInstanceIsFollowed(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		b.addApp("a")
		b.say("a", "c:1", "d:2")
		_, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		n.expect(t, "a/c:1 a/d:2")
		b.say("a", "c:3")
		n.expect(t, "a/c:3")
		b.addApp("b")
		b.say("b", "c:1")
		n.expect(t, "b/c:1")
		b.removeApp("a")
		b.addApp("c")
		b.say("c", "x:9")
		n.expect(t, "c/x:9")
	})
}

func TestGoesOnWhereItWas(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n, late notes
		b.addApp("a")
		b.say("a", "c:1")
		_, stop := b.node("one", b.store, n.follower("f"))
		n.expect(t, "a/c:1")
		stop()
		b.say("a", "c:2")
		ending := late.follower("late")
		ending.Start = follow.End
		_, stop = b.node("one", b.store, n.follower("f"), ending)
		n.expect(t, "a/c:2")
		late.expect(t, "")
		stop()
		b.say("a", "c:3")
		_, stop = b.node("one", b.store, n.follower("f"), ending)
		defer stop()
		n.expect(t, "a/c:3")
		late.expect(t, "a/c:3")
		b.addApp("b")
		b.say("b", "c:1")
		late.expect(t, "b/c:1")
	})
}

func TestBatchesAreBounded(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		b.addApp("a")
		b.say("a", "c:1", "c:2", "c:3", "c:4", "c:5", "c:"+strings.Repeat("x", 100), "c:6", "c:7")
		f := n.follower("f")
		f.BatchEvents, f.BatchBytes = 3, 50
		_, stop := b.node("one", b.store, f)
		defer stop()
		synctest.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		if want := []int{3, 2, 1, 2}; !slices.Equal(n.sizes, want) {
			t.Errorf("batches of %v, want %v", n.sizes, want)
		}
	})
}

// A failure that passes costs time alone.
func TestAFailureThatPassesLosesNothing(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		away := time.Now().Add(2 * time.Minute)
		n.fail = func(context.Context, []string) error {
			if time.Now().Before(away) {
				return errors.New("the receiver is away")
			}
			return nil
		}
		b.addApp("a")
		var want []string
		for i := range 250 {
			b.say("a", fmt.Sprintf("c:%d", i))
			want = append(want, fmt.Sprintf("a/c:%d", i))
		}
		r, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		time.Sleep(10 * time.Minute)
		n.expect(t, strings.Join(want, " "))
		if s := status(t, r)[0]; s.Retries == 0 || s.DeadLetters != 0 || s.Behind != 0 || len(s.Failing) != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestOneThatFailsForEverDelaysNoOther(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var good, bad notes
		bad.fail = func(_ context.Context, texts []string) error {
			if strings.HasPrefix(texts[0], "a/") {
				panic("always")
			}
			return nil
		}
		b.addApp("a")
		b.addApp("b")
		never := bad.follower("bad")
		never.MaxAttempts = -1
		r, stop := b.node("one", b.store, never, good.follower("good"))
		defer stop()
		for range 3 {
			b.say("a", "c:1")
			b.say("b", "c:1")
			if got := good.take(); !strings.Contains(got, "a/c:1") || !strings.Contains(got, "b/c:1") {
				t.Errorf("the good follower has %q", got)
			}
			bad.expect(t, "b/c:1")
			time.Sleep(24 * time.Hour)
		}
		s := status(t, r)[0]
		if s.Behind == 0 || s.Oldest < 72*time.Hour || s.Worst != "a" || s.Failing["a"].Error != "panic: always" || s.Failing["a"].Attempts < 1000 {
			t.Errorf("status %+v", s)
		}
		if s := status(t, r)[1]; s.Behind != 0 || s.Oldest != 0 || s.AppInstances != 2 {
			t.Errorf("status %+v", s)
		}
	})
}

func status(t *testing.T, r *follow.Runner) []follow.Status {
	t.Helper()
	list, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// What was removed from a message while an event of it waited for a retry is not handed out.
func TestRetriesHaveThePresentContent(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		tries := 0
		n.fail = func(_ context.Context, texts []string) error {
			if tries++; tries == 1 {
				if texts[0] != "a/first" {
					t.Errorf("at first %q", texts)
				}
				return errors.New("later")
			}
			return nil
		}
		b.addApp("a")
		_, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		synctest.Wait()
		b.must(b.store.Update(t.Context(), "a", func(tx store.Tx) error {
			_, err := tx.Append(chime.Event{
				Type: chime.EventCreateMessage, Topic: chime.Topic{App: "a", Channel: "c"}, Object: "m", Payload: []byte("first"),
			})
			return err
		}))
		time.Sleep(time.Minute)
		n.expect(t, "a/present m")
	})
}

// A follower that comes too late for some events says so, and goes on.
func TestTrimmedEventsAreCounted(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		b.addApp("a")
		b.say("a", "c:1")
		_, stop := b.node("one", b.store, n.follower("f"))
		n.expect(t, "a/c:1")
		stop()
		last := b.say("a", "c:2", "c:3", "c:4")
		b.say("a", "c:5")
		b.must(b.store.Update(t.Context(), "a", func(tx store.Tx) error { return tx.TrimEvents(last) }))
		r, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		n.expect(t, "a/c:5")
		if s := status(t, r)[0]; s.Lost != 3 || s.LostHere != 3 || s.Behind != 0 {
			t.Errorf("status %+v", s)
		}
		if !strings.Contains(b.log.String(), "trimmed") {
			t.Errorf("log: %s", b.log)
		}
	})
}

// A new follower begins at the log's beginning and has lost nothing.
func TestANewFollowerHasLostNothing(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		b.addApp("a")
		last := b.say("a", "c:1", "c:2")
		b.say("a", "c:3")
		b.must(b.store.Update(t.Context(), "a", func(tx store.Tx) error { return tx.TrimEvents(last) }))
		r, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		n.expect(t, "a/c:3")
		if s := status(t, r)[0]; s.Lost != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// counting counts the transactions of a store that write.
func counting(st store.Store, updates *atomic.Int64) store.Store {
	return faulty.New(st, func(c faulty.Call) error {
		if c.Op == faulty.Update {
			updates.Add(1)
		}
		return nil
	})
}

func TestAnIdleFollowerWritesNothing(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		var updates atomic.Int64
		b.addApp("a")
		b.addApp("b")
		_, stop := b.node("one", counting(b.store, &updates), n.follower("f"), n.follower("g"))
		defer stop()
		time.Sleep(time.Minute)
		before := updates.Load()
		time.Sleep(24 * time.Hour)
		if n := updates.Load() - before; n != 0 {
			t.Errorf("%d transactions in a day without events", n)
		}
		b.say("a", "c:1")
		n.expect(t, "a/c:1 a/c:1")
	})
}

// Events that a follower does not want cost a write from time to time, so that the log can be trimmed.
func TestUnwantedEventsMoveThePosition(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		var updates atomic.Int64
		b.addApp("a")
		f := n.follower("f")
		f.Wants = func(e *chime.Event) bool { return e.Channel == "wanted" }
		r, stop := b.node("one", counting(b.store, &updates), f)
		defer stop()
		synctest.Wait()
		before := updates.Load()
		var last uint64
		for range 120 {
			last = b.say("a", "c:1")
			time.Sleep(500 * time.Millisecond)
		}
		if n := updates.Load() - before; n > 15 {
			t.Errorf("%d transactions for a minute of unwanted events", n)
		}
		if s := status(t, r)[0]; s.Behind != 0 {
			t.Errorf("status %+v", s)
		}
		time.Sleep(term)
		if got := b.position("a", "f"); got != last {
			t.Errorf("position %d, want %d", got, last)
		}
		b.say("a", "c:2", "wanted:3", "c:4")
		n.expect(t, "a/wanted:3")
	})
}

func TestKeysNameOneEffect(t *testing.T) {
	keys := map[string]bool{}
	for _, app := range []string{"a", "b"} {
		for position := range uint64(12) {
			for _, follower := range []string{"f", "g"} {
				keys[follow.Key(app, position, follower)] = true
			}
		}
	}
	if len(keys) != 2*12*2 || !keys[follow.Key("b", 3, "g")] {
		t.Errorf("%d keys", len(keys))
	}
}

func TestWrongFollowersAreRefused(t *testing.T) {
	good := new(notes).follower("f")
	for name, followers := range map[string][]follow.Follower{
		"no name": {{Handle: good.Handle}}, "odd name": {{Name: "A b", Handle: good.Handle}}, "no work": {{Name: "f"}}, "twice": {good, good},
	} {
		if _, err := follow.New(follow.Options{Random: rand.Reader}, followers...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestBackoffGrowsToItsMost(t *testing.T) {
	b := follow.Backoff{First: time.Second, Most: time.Minute, Random: rand.Reader}
	for failures := 1; failures < 100; failures++ {
		full := min(time.Minute, time.Second<<min(failures-1, 10))
		if wait := b.Wait(failures); wait < full/2 || wait > full {
			t.Errorf("after %d failures %v, want %v to %v", failures, wait, full/2, full)
		}
	}
}

// What leaves nothing to do costs no commit for each event: how far the follower is, is written later, and when
// the node stops.
func TestNothingToDoIsWrittenLater(t *testing.T) {
	for name, test := range map[string]struct {
		answer error
		writes bool // for each event
	}{
		"done":          {nil, true},
		"nothing to do": {follow.ErrNothing, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBed(t, func(t *testing.T, b *bed) {
				var writes atomic.Int64
				counted := faulty.New(b.store, func(c faulty.Call) error {
					if c.Op == faulty.Update {
						writes.Add(1)
					}
					return nil
				})
				handled := 0
				f := follow.Follower{Name: "f", Handle: func(_ context.Context, _ string, events []*chime.Event) error {
					handled += len(events)
					return test.answer
				}}
				b.addApp("a")
				r, stop := b.node("one", counted, f)
				defer stop()
				synctest.Wait()

				const events = 50
				before, seen := writes.Load(), handled
				for range events {
					b.say("a", "c:1")
					synctest.Wait()
				}
				if got := writes.Load() - before; handled != seen+events || (got >= events) != test.writes || !test.writes && got > 0 {
					t.Errorf("%d of %d events were handled, with %d writes", handled-seen, events, got)
				}
				if s := status(t, r)[0]; s.Behind != 0 || s.Retries != 0 || len(s.Failing) != 0 {
					t.Errorf("status %+v", s)
				}

				stop()
				handled = 0
				_, stop = b.node("one", counted, f)
				defer stop()
				if synctest.Wait(); handled != 0 {
					t.Errorf("%d events are handled again after a start", handled)
				}
			})
		})
	}
}
