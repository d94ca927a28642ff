package retention_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/retention"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func update(t *testing.T, s store.Store, f func(store.Tx) error) {
	t.Helper()
	updateIn(t, s, "", f)
}

func updateIn(t *testing.T, s store.Store, app string, f func(store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), app, f); err != nil {
		t.Fatal(err)
	}
}

func appendEvent(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		_, err := tx.Append(chime.Event{Time: chime.At(time.Now()), Type: chime.EventUpdateChannel})
		return err
	})
}

// oldest is the position of the first event that the log still has.
func oldest(t *testing.T, s store.Store) (position uint64) {
	t.Helper()
	err := s.View(t.Context(), "", func(r store.Reader) error {
		start, err := store.LogStart(r, "")
		if err != nil {
			return err
		}
		events, err := store.ReadEvents(r, "", start, 1)
		if len(events) > 0 {
			position = events[0].Position
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return position
}

// open opens store time.
func open(t *testing.T, s store.Store) *store.Clock {
	t.Helper()
	clock, err := store.OpenClock(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return clock
}

func run(t *testing.T, o retention.Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- retention.New(o).Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// An event a minute for two hours, kept for one: the log always holds the last hour.
func TestEventsAreKeptForTheirRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		defer run(t, retention.Options{
			Store: s, EventRetention: time.Hour, Clock: open(t, s), Log: slog.New(slog.DiscardHandler),
		})()
		time.Sleep(30 * time.Second) // in the bubble's time: between the passes
		for minute := range 120 {
			appendEvent(t, s)
			time.Sleep(time.Minute)
			synctest.Wait()
			// Events 1..minute+1 are there; that of minute m is at m minutes, now is half a minute
			// after a pass at minute+0.5.
			want := max(1, minute+1-60+1)
			if got := oldest(t, s); got != uint64(want) {
				t.Fatalf("minute %d: the oldest event is %d, want %d", minute, got, want)
			}
		}
	})
}

// Events are kept for their retention whatever time of day they say that it was.
func TestTheClockOfTheMachineTrimsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		for _, set := range []time.Duration{0, 24 * time.Hour, -time.Hour, -365 * 24 * time.Hour, 0} {
			update(t, s, func(tx store.Tx) error {
				_, err := tx.Append(chime.Event{Time: chime.At(time.Now().Add(set)), Type: chime.EventUpdateChannel})
				return err
			})
		}
		defer run(t, retention.Options{Store: s, EventRetention: time.Hour, Clock: open(t, s), Log: slog.New(slog.DiscardHandler)})()
		time.Sleep(time.Hour)
		if got := oldest(t, s); got != 1 {
			t.Errorf("the oldest event is %d after an hour", got)
		}
		time.Sleep(2 * time.Minute)
		if got := oldest(t, s); got != 5 {
			t.Errorf("the oldest event is %d two minutes later", got)
		}
	})
}

// The hours in which a store is closed are no age: a session that resumes after them finds the log.
func TestClosedHoursTrimNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		appendEvent(t, s)
		for range 3 {
			appendEvent(t, s)
			stop := run(t, retention.Options{Store: s, EventRetention: time.Hour, Clock: open(t, s), Log: slog.New(slog.DiscardHandler)})
			time.Sleep(19*time.Minute + 30*time.Second)
			stop()
			time.Sleep(24 * time.Hour)
		}
		if got := oldest(t, s); got != 1 {
			t.Errorf("the oldest event is %d after an hour of use", got)
		}
	})
}

func TestLatestEventStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		for range 5 {
			appendEvent(t, s)
		}
		stop := run(t, retention.Options{
			Store: s, EventRetention: time.Minute, Clock: open(t, s), Log: slog.New(slog.DiscardHandler),
		})
		time.Sleep(time.Hour)
		stop()
		if got := oldest(t, s); got != 5 {
			t.Errorf("the oldest event is %d, want 5", got)
		}
	})
}

func TestTokensAreForgottenAfterTheirWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		clock := open(t, s)
		tokens := idempotency.Tokens{Window: 10 * time.Minute, Clock: clock}
		call, err := tokens.Call(idempotency.Scope{Operation: "CreateChannel", Token: "t"}, "request")
		if err != nil {
			t.Fatal(err)
		}
		update(t, s, func(tx store.Tx) error { return call.Remember(tx, "answer") })
		stop := run(t, retention.Options{
			Store: s, Tokens: tokens, EventRetention: time.Hour, Clock: clock, Log: slog.New(slog.DiscardHandler),
		})
		remembered := func() (n int) {
			_ = s.View(t.Context(), "", func(r store.Reader) error {
				return store.Replies.Each(r, store.Range{}, func(store.Key, chime.Reply) (bool, error) {
					n++
					return true, nil
				})
			})
			return n
		}
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if remembered() != 1 {
			t.Error("an answer is gone within its window")
		}
		time.Sleep(30 * time.Minute)
		stop()
		if remembered() != 0 {
			t.Error("an answer outlives its window")
		}
	})
}

// broken fails its first transaction.
type broken struct {
	store.Store
	failed bool
}

func (b *broken) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	if !b.failed {
		b.failed = true
		return errors.New("the disk is full")
	}
	return b.Store.Update(ctx, app, f)
}

func TestFailedPassIsLoggedAndMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		appendEvent(t, s)
		appendEvent(t, s)
		var log bytes.Buffer
		stop := run(t, retention.Options{
			Store: &broken{Store: s}, EventRetention: 0, Clock: open(t, s), Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		time.Sleep(150 * time.Second)
		stop()
		if !strings.Contains(log.String(), "the disk is full") {
			t.Errorf("log: %s", &log)
		}
		if got := oldest(t, s); got != 2 {
			t.Errorf("the oldest event is %d, want 2", got)
		}
	})
}

// Keys are looked after in every pass, also when something else fails.
func TestKeysAreRotatedInEveryPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		var passes int
		var log bytes.Buffer
		stop := run(t, retention.Options{
			Store: &broken{Store: s}, Clock: open(t, s), Log: slog.New(slog.NewTextHandler(&log, nil)),
			RotateKeys: func(context.Context) error { passes++; return errors.New("no keys") },
		})
		time.Sleep(150 * time.Second)
		stop()
		if passes != 2 || strings.Count(log.String(), "no keys") != 2 {
			t.Errorf("keys were looked after %d times in two passes; log: %s", passes, &log)
		}
	})
}

// quiet counts the app instances that a pass writes to.
type quiet struct {
	store.Store
	written []string
}

func (q *quiet) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	if app != "" {
		q.written = append(q.written, app)
	}
	return q.Store.Update(ctx, app, f)
}

// Each log is trimmed by its own marks, up to its latest event as long as its app instance exists, and
// a pass writes to no log that is as it was.
func TestLogsAreTrimmedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &quiet{Store: memstore.New()}
		defer s.Close()
		c := retention.New(retention.Options{Store: s, Clock: open(t, s), EventRetention: time.Hour})
		say := func(app string, events int) {
			updateIn(t, s.Store, app, func(tx store.Tx) (err error) {
				for range events {
					if _, err = tx.Append(chime.Event{Type: chime.EventUpdateChannel, Topic: chime.Topic{App: app}}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		pass := func(after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			s.written = nil
			if err := c.Clean(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.written, want) {
				t.Errorf("wrote to %q, want %q", s.written, want)
			}
		}
		start := func(app string, want uint64) {
			t.Helper()
			err := s.View(t.Context(), app, func(r store.Reader) error {
				start, err := store.LogStart(r, app)
				if start != want {
					t.Errorf("the log of %q begins after %d, want %d", app, start, want)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		updateIn(t, s.Store, "a", func(tx store.Tx) error {
			return store.AppInstances.Put(tx, store.K("a"), chime.AppInstance{ID: "a"})
		})
		say("a", 3)
		say("deleted", 2)
		pass(0, "a", "deleted")
		pass(time.Minute)
		say("a", 1)
		pass(time.Minute, "a")
		pass(59*time.Minute, "a", "deleted")
		start("a", 3)
		start("deleted", 2)
		pass(time.Minute)
		start("a", 3) // the latest event stays
	})
}

// floors are the positions of followers, by app instance.
type floors map[string]uint64

func (f floors) Floor(_ store.Reader, app string) (position uint64, found bool, err error) {
	position, found = f[app]
	return position, found, nil
}

// What a follower has not handled stays, but not for ever, and holds no other log back.
func TestEventsStayForFollowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		for _, app := range []string{"a", "b"} {
			updateIn(t, s, app, func(tx store.Tx) error { return store.AppInstances.Put(tx, store.K(app), chime.AppInstance{ID: app}) })
		}
		behind := floors{"a": 7}
		defer run(t, retention.Options{
			Store: s, EventRetention: time.Hour, FollowerRetention: 3 * time.Hour, Followers: behind, Clock: open(t, s), Log: slog.New(slog.DiscardHandler),
		})()
		time.Sleep(30 * time.Second) // in the bubble's time: between the passes
		for minute := range 300 {
			for _, app := range []string{"a", "b"} {
				updateIn(t, s, app, func(tx store.Tx) error {
					_, err := tx.Append(chime.Event{Type: chime.EventUpdateChannel, Topic: chime.Topic{App: app}})
					return err
				})
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			retained, given := max(0, minute+1-60), max(0, minute+1-180)
			want := map[string]int{"a": max(min(retained, int(behind["a"])), given), "b": retained}
			for app, want := range want {
				if got := start(t, s, app); got != uint64(want) {
					t.Fatalf("minute %d: the log of %s starts after %d, want %d", minute, app, got, want)
				}
			}
			if minute == 100 {
				behind["a"] = 50
			}
		}
	})
}

// start is the position behind which a log has all events.
func start(t *testing.T, s store.Store, app string) (position uint64) {
	t.Helper()
	err := s.View(t.Context(), app, func(r store.Reader) (err error) {
		position, err = store.LogStart(r, app)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return position
}
