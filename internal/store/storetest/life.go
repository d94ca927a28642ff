package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/carillon-chat/carillon/internal/store"
)

func trim(t *testing.T, h Harness) {
	s := h.open(t)
	appendEvents(t, s, "1", "2", "3", "4", "5", "6")
	atTwo, atFour := follow(t, s, 2), follow(t, s, 4)
	update(t, s, func(tx store.Tx) error { return tx.TrimEvents(4) })
	if _, err := s.Follow(app, 3); !errors.Is(err, store.ErrTrimmed) {
		t.Errorf("follow from before the trim: %v", err)
	}
	if _, err := atTwo.Next(ended()); !errors.Is(err, store.ErrTrimmed) {
		t.Errorf("next of a cursor from before the trim: %v", err)
	}
	same(t, "at the trim", ready(t, atFour), []string{"5:5", "6:6"})
	same(t, "anew at the trim", ready(t, follow(t, s, 4)), []string{"5:5", "6:6"})

	update(t, s, func(tx store.Tx) error { return tx.TrimEvents(1 << 40) })
	same(t, "position of an empty log", position(t, s), uint64(6))
	if _, err := s.Follow(app, 5); !errors.Is(err, store.ErrTrimmed) {
		t.Errorf("follow in an empty log: %v", err)
	}
	end := follow(t, s, 6)
	appendEvents(t, s, "7")
	same(t, "after the trim", ready(t, end), []string{"7:7"})
	same(t, "after the trim", ready(t, atFour), []string{"7:7"})
}

func cursorContext(t *testing.T, h Harness) {
	s := h.open(t)
	cursor := follow(t, s, 0)
	ctx, cancel := context.WithCancelCause(context.Background())
	result := make(chan error)
	go func() {
		_, err := cursor.Next(ctx)
		result <- err
	}()
	cancel(errors.New("over"))
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("next with a context that ended: %v", err)
	}
	appendEvents(t, s, "a")
	same(t, "afterwards", ready(t, cursor), []string{"1:a"})
}

func closing(t *testing.T, h Harness) {
	s := h.open(t)
	appendEvents(t, s, "a")
	waiting, behind := follow(t, s, 1), follow(t, s, 0)
	result := make(chan error)
	go func() {
		_, err := waiting.Next(context.Background())
		result <- err
	}()

	// Closing ends what waits, and refuses what comes later.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	unavailable := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}

	unavailable("a cursor that waits", <-result)
	_, err := behind.Next(context.Background())
	unavailable("a cursor", err)
	_, err = s.Follow(app, 0)
	unavailable("Follow", err)
	unavailable("View", s.View(context.Background(), app, func(store.Reader) error { return nil }))
	unavailable("Update", s.Update(context.Background(), app, func(store.Tx) error { return nil }))
	if err := s.Close(); err != nil {
		t.Error("second Close:", err)
	}
}

func reopen(t *testing.T, h Harness) {
	s := h.open(t)
	appendEvents(t, s, "1", "2")
	put(t, s, one, store.K("a"), "a")
	put(t, s, one, store.K("b"), "b")
	update(t, s, func(tx store.Tx) error { return tx.Delete(one, store.K("b")) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = h.open(t)
	if a, b := get(t, s, one, store.K("a")), get(t, s, one, store.K("b")); a != "a" || b != "none" {
		t.Errorf("after opening again: %q, %q", a, b)
	}
	same(t, "position", position(t, s), uint64(2))
	cursor := follow(t, s, 0)
	same(t, "the log", ready(t, cursor), []string{"1:1", "2:2"})
	appendEvents(t, s, "3")
	same(t, "the log", ready(t, cursor), []string{"3:3"})
	same(t, "the log", ready(t, follow(t, s, 1)), []string{"2:2", "3:3"})
}

func reopenTrimmed(t *testing.T, h Harness) {
	s := h.open(t)
	appendEvents(t, s, "1", "2", "3")
	update(t, s, func(tx store.Tx) error { return tx.TrimEvents(3) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = h.open(t)
	same(t, "position", position(t, s), uint64(3))
	if _, err := s.Follow(app, 2); !errors.Is(err, store.ErrTrimmed) {
		t.Errorf("follow from before the trim: %v", err)
	}
	cursor := follow(t, s, 3)
	appendEvents(t, s, "4")
	same(t, "afterwards", ready(t, cursor), []string{"4:4"})
}
