package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// logsAreApart: each app instance and the account have positions, cursors and trims of their own.
func logsAreApart(t *testing.T, h Harness) {
	s := h.open(t)
	apps := []string{"", "a", "a\x00", "ab"}
	cursors := make([]store.Cursor, len(apps))
	for i, app := range apps {
		cursors[i] = followLog(t, s, app, 0)
	}
	for round := range 3 {
		for i, app := range apps {
			for range i + 1 {
				appendTo(t, s, app, fmt.Sprint(app, round))
			}
		}
	}
	for i, app := range apps {
		var want []string
		for at := range 3 * (i + 1) {
			want = append(want, fmt.Sprintf("%d:%s%d", at+1, app, at/(i+1)))
		}
		same(t, "live events of "+app, ready(t, cursors[i]), want)
		same(t, "events of "+app, ready(t, followLog(t, s, app, 0)), want)
		same(t, "position of "+app, positionOf(t, s, app), uint64(len(want)))
	}
	var logs []string
	view(t, s, func(r store.Reader) error {
		return store.EachLog(r, func(app string) (bool, error) {
			logs = append(logs, app)
			return true, nil
		})
	})
	same(t, "logs", logs, apps)

	err := s.Update(context.Background(), "a", func(tx store.Tx) error { return tx.TrimEvents(4) })
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range apps {
		_, err := s.Follow(app, 0)
		if trimmed := errors.Is(err, store.ErrTrimmed); trimmed != (app == "a") {
			t.Errorf("follow %q after the trim of another log: %v", app, err)
		}
	}
	same(t, "rest", ready(t, followLog(t, s, "a", 4)), []string{"5:a2", "6:a2"})
	same(t, "position", positionOf(t, s, "a"), uint64(6))

	err = s.Update(context.Background(), "a", func(tx store.Tx) error { return tx.TrimEvents(6) })
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, s, "a", "next")
	same(t, "position after a trim of all", positionOf(t, s, "a"), uint64(7))
}

func positionOf(t *testing.T, s store.Store, app string) (p uint64) {
	t.Helper()
	err := s.View(context.Background(), app, func(r store.Reader) (err error) {
		p, err = r.Position()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// scope: a transaction writes what belongs to its app instance, or to the account, and nothing else.
func scope(t *testing.T, h Harness) {
	s := h.open(t)
	users, roles, replies := store.Users.ID, store.Roles.ID, store.Replies.ID
	put := func(table store.TableID, key store.Key) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.Put(table, key, []byte("x")) }
	}
	remove := func(table store.TableID, key store.Key) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.Delete(table, key) }
	}
	within := func(table store.TableID, rng store.Range) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.DeleteRange(table, rng) }
	}
	add := func(app string) func(store.Tx) error {
		return func(tx store.Tx) error {
			_, err := tx.Append(chime.Event{Type: "t", Topic: chime.Topic{App: app}})
			return err
		}
	}

	// Each write is tried by transactions of the account and of every app instance.
	for _, tc := range []struct {
		what  string
		write func(store.Tx) error
		by    []string // whose transactions may do so
	}{
		{"a record of a", put(users, store.K("a", "u")), []string{"a"}},
		{"a record of a that is the app instance", put(store.AppInstances.ID, store.K("a")), []string{"a"}},
		{"a record of an app instance with NUL", put(users, store.K("a\x00", "u")), []string{"a\x00"}},
		{"a record of ab", remove(users, store.K("ab", "u")), []string{"ab"}},
		{"a count of the account", put(store.Counts.ID, store.K("", "what")), []string{""}},
		{"a mark of all", put(store.Removals.ID, nil), []string{""}},
		{"a role", put(roles, store.K("a")), []string{""}},
		{"the removal of a role", remove(roles, store.K("a")), []string{""}},
		{"all roles", within(roles, store.Range{}), []string{""}},
		{"a token", put(replies, store.Key(nil).Num(1)), []string{"", "a", "a\x00", "ab"}},
		{"tokens", within(replies, store.Range{To: store.Key(nil).Num(1)}), []string{"", "a", "a\x00", "ab"}},
		{"all users", within(users, store.Range{}), nil},
		{"users from a on", within(users, store.Range{From: store.K("a")}), nil},
		{"users up to ab", within(users, store.Range{From: store.K("a"), To: store.K("ab")}), nil},
		{"users of a", within(users, store.Prefix(store.K("a"))), []string{"a"}},
		{"some users of a", within(users, store.Range{From: store.K("a", "b"), To: store.K("a", "c")}), []string{"a"}},
		{"an event of a", add("a"), []string{"a"}},
		{"an event of the account", add(""), []string{""}},
	} {
		for _, app := range []string{"", "a", "a\x00", "ab"} {
			err := s.Update(context.Background(), app, tc.write)
			switch {
			case slices.Contains(tc.by, app) && err != nil:
				t.Errorf("%s by %q: %v", tc.what, app, err)
			case !slices.Contains(tc.by, app) && !errors.Is(err, store.ErrScope):
				t.Errorf("%s by %q: %v", tc.what, app, err)
			}
		}
	}
}

// poll: a cursor reports that there is more without waiting.
func poll(t *testing.T, h Harness) {
	s := h.open(t)
	c := follow(t, s, 0)
	events, wake, err := c.Poll()
	if len(events) > 0 || wake == nil || err != nil {
		t.Fatalf("an empty log has %d events, %v", len(events), err)
	}
	appendTo(t, s, "other", "x")
	appendEvents(t, s, "a")
	<-wake
	if events, _, err = c.Poll(); err != nil || len(events) != 1 || string(events[0].Payload) != "a" {
		t.Errorf("after the wake: %d events, %v", len(events), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Poll(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}
