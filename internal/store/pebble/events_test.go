package pebble

import (
	"errors"
	"fmt"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// The events of one commit share records, of which each event is found by its position, and those before it
// are trimmed.
func TestEventsOfACommitShareRecords(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	const events = 100
	var functions []func(store.Tx) error
	for n := range events {
		functions = append(functions, func(tx store.Tx) error {
			_, err := tx.Append(chime.Event{Type: "t", Topic: chime.Topic{App: "app"}, Object: fmt.Sprint(n + 1)})
			return err
		})
	}
	if err := errors.Join(asGroup(s, "app", functions)...); err != nil {
		t.Fatal(err)
	}

	// Every position, and every page.
	view := func(f func(store.Reader) error) {
		t.Helper()
		if err := s.View(t.Context(), "app", f); err != nil {
			t.Error(err)
		}
	}
	records := func() (n int) {
		view(func(r store.Reader) error {
			return r.Scan(store.TableEvents, store.Range{}, func(store.Key, []byte) (bool, error) { n++; return true, nil })
		})
		return n
	}
	if n := records(); n > 2 {
		t.Errorf("%d events are in %d records", events, n)
	}
	check := func(r store.Reader, from uint64) error {
		for after := from; after < events; after++ {
			one, err := store.ReadEvent(r, "app", after+1)
			if err != nil || one.Object != fmt.Sprint(after+1) || one.Position != after+1 || one.App != "app" {
				return fmt.Errorf("event %d is %+v, %v", after+1, one, err)
			}
			list, err := store.ReadEvents(r, "app", after, 3)
			if err != nil || len(list) != min(3, events-int(after)) || list[0].Position != after+1 {
				return fmt.Errorf("%d events after %d, %v", len(list), after, err)
			}
		}
		return nil
	}
	view(func(r store.Reader) error { return check(r, 0) })

	// A record stays until its last event is trimmed.
	for _, upTo := range []uint64{10, 90, events} {
		if err := s.Update(t.Context(), "app", func(tx store.Tx) error { return tx.TrimEvents(upTo) }); err != nil {
			t.Fatal(err)
		}
		view(func(r store.Reader) error {
			if _, err := store.ReadEvents(r, "app", upTo-1, 1); !errors.Is(err, store.ErrTrimmed) {
				return fmt.Errorf("events before %d: %v", upTo, err)
			}
			return check(r, upTo)
		})
	}
	if n := records(); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// A transaction that trims what it appended keeps what it appended since.
func TestTrimOfOwnEvents(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	err = s.Update(t.Context(), "app", func(tx store.Tx) error {
		for _, object := range []string{"1", "2"} {
			if _, err := tx.Append(chime.Event{Type: "t", Topic: chime.Topic{App: "app"}, Object: object}); err != nil {
				return err
			}
		}
		return tx.TrimEvents(1)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.View(t.Context(), "app", func(r store.Reader) error {
		list, err := store.ReadEvents(r, "app", 1, 10)
		if err != nil || len(list) != 1 || list[0].Object != "2" {
			t.Errorf("%v, %v", list, err)
		}
		if _, err := store.ReadEvent(r, "app", 1); !errors.Is(err, store.ErrTrimmed) {
			t.Errorf("the event that was trimmed: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
