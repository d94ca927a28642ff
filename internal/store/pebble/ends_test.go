package pebble

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// The end of a log that was not written to since the start is looked for by the first View of it alone. Views
// go on to see the end that the log had when they began.
func TestTheEndOfALogIsFoundOnce(t *testing.T) {
	const app = "app"
	dir := t.TempDir()
	var s *Store
	reopen := func() {
		t.Helper()
		var err error
		if s, err = Open(dir, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	add := func() {
		t.Helper()
		err := s.Update(t.Context(), app, func(tx store.Tx) error {
			_, err := tx.Append(chime.Event{Topic: chime.Topic{App: app}, Type: "t"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(app string, want uint64, inside func()) {
		t.Helper()
		err := s.View(t.Context(), app, func(r store.Reader) error {
			inside()
			got, err := r.Position()
			if got != want {
				t.Errorf("the log of %q ends at %d, want %d", app, got, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}

	reopen()
	add()
	add()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	reopen()
	defer func() { s.Close() }()
	expect(app, 2, func() { expect(app, 2, func() {}) })
	if end, known := s.ends.find(app); !known || end.position != 2 || end.synced != 2 {
		t.Errorf("known of the log: %+v, %v", end, known)
	}
	expect(app, 2, func() {
		add() // after the View began
		expect(app, 3, func() {})
	})
	expect(app, 3, func() {})

	// What has no log is not kept.
	expect("none", 0, func() {})
	if _, known := s.ends.find("none"); known {
		t.Error("the end of a log that there is not takes memory")
	}
}

// A View that finds the end while the first event since the start is written changes nothing.
func TestTheEndOfALogIsTheLatest(t *testing.T) {
	e := newEnds()
	e.grew("app", 8, 5)
	e.found("app", 7, 4)
	if at, _ := e.find("app"); at.position != 8 || at.commit != 5 {
		t.Errorf("the log ends at %+v", at)
	}
}
