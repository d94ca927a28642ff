package retention_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/retention"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// expirer deletes entries, and nothing else. It refuses some.
type expirer struct {
	store   store.Store
	refuses string
	expired []string
}

func (e *expirer) Expire(ctx context.Context, at store.Expiring, _ chime.Millis) (bool, error) {
	if at.ID == e.refuses {
		return false, errors.New("refused")
	}
	e.expired = append(e.expired, at.App+" "+at.ID)
	return true, e.store.Update(ctx, at.App, func(tx store.Tx) error { return store.Remove(tx, at.Row()) })
}

// aged notes the app instances whose messages are looked at.
type aged []string

func (a *aged) RemoveAged(_ context.Context, app string, _ chime.Millis) error {
	*a = append(*a, app)
	return nil
}

// plenty has messages to remove for a time.
type plenty struct{ left time.Duration }

func (p *plenty) RemoveAged(ctx context.Context, _ string, _ chime.Millis) error {
	began := time.Now()
	defer func() { p.left -= time.Since(began) }()
	select {
	case <-time.After(p.left):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestManyOldMessagesDelayNoExpiry has so many messages to remove that it takes half an hour.
func TestManyOldMessagesDelayNoExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		updateIn(t, s, "a", func(tx store.Tx) error {
			return store.AppInstances.Put(tx, store.K("a"), chime.AppInstance{ID: "a", Retention: &chime.Retention{Days: 1}})
		})
		c := newCalendar(t, s, 0)
		many := &plenty{left: 30 * time.Minute}
		c.expiry = retention.NewExpiry(retention.ExpiryOptions{
			Store: s, Clock: open(t, s), Now: time.Now, Channels: c, Users: c, Messages: many, Log: slog.New(slog.DiscardHandler),
		})
		c.list("a", "it", time.Now().Add(10*time.Minute))
		began := time.Now()
		for len(c.expired) == 0 {
			c.run(time.Minute)
		}
		if late := time.Since(began) - 10*time.Minute; late > 3*time.Minute || many.left <= 0 {
			t.Errorf("expired %v late, with messages for %v left", late, many.left)
		}
		for many.left > 0 {
			c.run(time.Minute)
		}
	})
}

// calendar is an Expiry over a fake, with a clock that can be set.
type calendar struct {
	t     *testing.T
	store store.Store
	ahead time.Duration // of the clock of the machine
	expirer
	aged   aged
	expiry *retention.Expiry
}

func newCalendar(t *testing.T, s store.Store, window time.Duration) *calendar {
	c := &calendar{t: t, store: s, expirer: expirer{store: s}}
	c.open(window)
	return c
}

// open is what a process does that begins.
func (c *calendar) open(window time.Duration) {
	c.expiry = retention.NewExpiry(retention.ExpiryOptions{
		Store: c.store, Clock: open(c.t, c.store), Now: func() time.Time { return time.Now().Add(c.ahead) },
		Channels: c, Users: c, Messages: &c.aged, Window: window, Log: slog.New(slog.DiscardHandler),
	})
}

func (c *calendar) list(app, id string, due time.Time) {
	c.t.Helper()
	updateIn(c.t, c.store, app, func(tx store.Tx) error {
		return store.Insert(tx, store.Expiring{App: app, Due: chime.At(due), Ref: chime.UserRef(id), ID: id}.Row())
	})
}

// run makes a pass each minute for a time.
func (c *calendar) run(d time.Duration) {
	c.t.Helper()
	for ; d > 0; d -= time.Minute {
		time.Sleep(time.Minute)
		if err := c.expiry.Pass(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *calendar) expect(what string, want ...string) {
	c.t.Helper()
	if !slices.Equal(c.expired, want) {
		c.t.Errorf("%s: expired are %q, want %q", what, c.expired, want)
	}
	c.expired = nil
}

const window = 6 * time.Hour

// A clock that is wrong for less than the window removes nothing early, and one that is right removes
// within minutes.
func TestTheDateIsTheOneThatTheClockHasKept(t *testing.T) {
	for name, test := range map[string]struct {
		set        []time.Duration // how far ahead the clock is, for two hours each
		early      bool            // something goes that is not due for an honest clock
		lateAtMost time.Duration
	}{
		"right":                     {set: []time.Duration{0}},
		"ahead for two hours":       {set: []time.Duration{48 * time.Hour}},
		"ahead for four":            {set: []time.Duration{1000 * time.Hour, 48 * time.Hour}},
		"ahead, right, and ahead":   {set: []time.Duration{48 * time.Hour, 0, 48 * time.Hour}},
		"ahead for a day":           {set: slices.Repeat([]time.Duration{48 * time.Hour}, 12), early: true},
		"behind for two hours":      {set: []time.Duration{-48 * time.Hour}, lateAtMost: 2 * window},
		"behind and further behind": {set: []time.Duration{-time.Hour, -48 * time.Hour}, lateAtMost: 2 * window},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := memstore.New()
				defer s.Close()
				c := newCalendar(t, s, window)
				c.run(2 * window) // of nothing is removed before
				due := time.Now().Add(36 * time.Hour)
				c.list("a", "it", due)
				for _, c.ahead = range test.set {
					c.run(2 * time.Hour)
				}
				c.ahead = 0
				if early := len(c.expired) > 0; early != test.early {
					t.Fatalf("expired early: %v", early)
				}
				if test.early {
					return
				}
				c.run(time.Until(due) - time.Minute)
				c.expect("shortly before")
				c.run(2*time.Minute + test.lateAtMost)
				c.expect("shortly after", "a it")
			})
		})
	}
}

// While the store is closed its time stands still. What came due meanwhile is removed when the clock has
// been so for the window, and what a restart of minutes delays is late by minutes.
func TestWhatComesDueWhileTheStoreIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		c := newCalendar(t, s, window)
		saved := run(t, retention.Options{Store: s, Clock: open(t, s), EventRetention: time.Hour, Log: slog.New(slog.DiscardHandler)})
		c.run(2 * window)
		saved()
		c.list("a", "soon", time.Now().Add(time.Hour))
		c.list("a", "later", time.Now().Add(window))

		time.Sleep(2 * time.Minute) // a restart
		c.open(window)
		c.run(time.Hour - 2*time.Minute)
		c.expect("after a restart, when it is due")
		c.run(3 * time.Minute)
		c.expect("after a restart, three minutes later", "a soon")

		time.Sleep(24 * time.Hour)
		c.open(window)
		c.run(time.Hour)
		c.expect("after a day without service")
		c.run(2 * window)
		c.expect("after a day without service, and two windows with", "a later")
	})
}

// Nothing is removed before the clock was seen for a window, as in a folder of an older version.
func TestAFirstLookRemovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		c := newCalendar(t, s, window)
		c.list("a", "it", time.Now().Add(-time.Hour))
		c.run(window - time.Minute)
		c.expect("in the first window")
		c.run(2 * time.Minute)
		c.expect("after it", "a it")
	})
}

// What cannot be deleted delays nothing else and is tried again.
func TestAFailureDelaysNoOther(t *testing.T) {
	s := memstore.New()
	defer s.Close()
	c := newCalendar(t, s, 0)
	for _, app := range []string{"a", "b"} {
		for i := range 600 {
			c.list(app, fmt.Sprint("u", 1000+i), time.Now().Add(-time.Hour))
		}
	}
	c.refuses = "u1000"
	if err := c.expiry.Pass(t.Context()); err == nil || len(c.expired) != 1198 {
		t.Errorf("%d are deleted; %v", len(c.expired), err)
	}
	c.expired, c.refuses = nil, ""
	if err := c.expiry.Pass(t.Context()); err != nil {
		t.Error(err)
	}
	c.expect("the next pass", "a u1000", "b u1000")
}

// reads counts the entries that views read.
type reads struct {
	store.Store
	n int
}

func (r *reads) View(ctx context.Context, app string, f func(store.Reader) error) error {
	return r.Store.View(ctx, app, func(in store.Reader) error { return f(counting{in, r}) })
}

type counting struct {
	store.Reader
	reads *reads
}

func (c counting) Scan(table store.TableID, rng store.Range, f func(store.Key, []byte) (bool, error)) error {
	return c.Reader.Scan(table, rng, func(key store.Key, value []byte) (bool, error) {
		c.reads.n++
		return f(key, value)
	})
}

// A pass reads what is due, however much is not.
func TestAPassReadsWhatIsDue(t *testing.T) {
	s := &reads{Store: memstore.New()}
	defer s.Close()
	c := newCalendar(t, s, 0)
	for _, app := range []string{"a", "b", "c"} {
		updateIn(t, s, app, func(tx store.Tx) error {
			for i := range 3000 {
				at := store.Expiring{App: app, Due: chime.At(time.Now().Add(time.Hour)), Ref: chime.UserRef(fmt.Sprint("u", i)), ID: fmt.Sprint("u", i)}
				if err := store.Insert(tx, at.Row()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	c.list("b", "it", time.Now().Add(-time.Hour))
	if err := c.expiry.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.expect("the pass", "b it")
	if s.n > 10 {
		t.Errorf("%d entries were read", s.n)
	}
}

// Messages are looked at each hour, in app instances whose grace period is over.
func TestMessagesAreLookedAtEachHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		c := newCalendar(t, s, 0)
		for app, grace := range map[string]time.Duration{"over": 0, "soon": 90 * time.Minute, "later": 5 * time.Hour} {
			updateIn(t, s, app, func(tx store.Tx) error {
				return store.AppInstances.Put(tx, store.K(app), chime.AppInstance{ID: app, Retention: &chime.Retention{Days: 1, Deletion: chime.At(time.Now().Add(grace))}})
			})
		}
		c.run(3 * time.Hour)
		if want := []string{"over", "over", "over", "soon"}; !slices.Equal(c.aged, want) {
			t.Errorf("looked at %q, want %q", c.aged, want)
		}
	})
}
