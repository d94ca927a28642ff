package pebble

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/store"
)

// Views share a snapshot until something is committed, and it is closed with the last of them.
func TestViewsShareAMoment(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(value string) {
		t.Helper()
		err := s.Update(t.Context(), "", func(tx store.Tx) error {
			return tx.Put(table, store.K("key"), []byte(value))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	view := func(want string, inside func()) {
		t.Helper()
		err := s.View(t.Context(), "", func(r store.Reader) error {
			value, err := r.Get(table, store.K("key"))
			if string(value) != want {
				t.Errorf("read %q, want %q", value, want)
			}
			inside()
			if again, _ := r.Get(table, store.K("key")); string(again) != want {
				t.Errorf("then read %q, want %q", again, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	expectSnapshots := func(want int) {
		t.Helper()
		if n := s.db.Metrics().Snapshots.Count; n != want {
			t.Errorf("%d snapshots are open, want %d", n, want)
		}
	}

	put("one")
	view("one", func() {
		view("one", func() { expectSnapshots(1) })
		put("two")
		view("two", func() { expectSnapshots(2) })
	})
	expectSnapshots(1)
	view("two", func() { expectSnapshots(1) })

	// What nothing reads any more is kept for no longer than until the monitor's next turn.
	put("three")
	s.moments.drop(s.visible.Load())
	expectSnapshots(0)
	view("three", func() {})
}
