package retention_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/retention"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// eraser notes what it is asked to erase.
type eraser struct {
	asked  []string
	during func()
	fails  error
}

func (e *eraser) Erase(_ context.Context, table store.TableID, ranges ...store.Range) error {
	if table == store.Processings.ID { // after the messages, and as they
		return nil
	}
	text := fmt.Sprint(table)
	for _, rng := range ranges {
		columns, _ := rng.From.Columns()
		text += fmt.Sprint(" ", columns)
	}
	e.asked = append(e.asked, text)
	if e.during != nil {
		e.during()
	}
	return e.fails
}

func remove(t *testing.T, s store.Store, app, uid string) {
	t.Helper()
	updateIn(t, s, app, func(tx store.Tx) error {
		if _, err := tx.Append(chime.Event{Type: chime.EventDeleteChannel, Topic: chime.Topic{App: app}}); err != nil {
			return err
		}
		return store.MarkRemoved(tx, app, uid)
	})
}

func marked(t *testing.T, s store.Store) (n int) {
	t.Helper()
	err := s.View(t.Context(), "", func(r store.Reader) error {
		return store.Removals.Each(r, store.Range{}, func(store.Key, uint64) (bool, error) { n++; return true, nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What was removed is erased by the next pass, or when the latest erasure is long enough ago; and a
// pass that finds nothing removed asks for nothing.
func TestRemovedIsErasedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := memstore.New(), new(eraser)
		defer s.Close()
		stop := run(t, retention.Options{Store: s, Clock: open(t, s), EventRetention: time.Hour, Eraser: e, EraseWithin: time.Hour})
		defer stop()
		after := func(d time.Duration, want ...string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if !slices.Equal(e.asked, want) {
				t.Errorf("asked for %q, want %q", e.asked, want)
			}
			e.asked = nil
		}
		after(2 * time.Minute)
		remove(t, s, "A", "c")
		remove(t, s, "A", "c")
		after(time.Minute, "19 [A c]")
		remove(t, s, "A", "d")
		after(58 * time.Minute)
		remove(t, s, "B", "") // of all channels
		remove(t, s, "B", "e")
		remove(t, s, "C", "f")
		after(2*time.Minute, "19 [A d] [B] [C f]")
		after(3 * time.Hour)
		if n := marked(t, s); n != 0 {
			t.Errorf("%d marks are left", n)
		}
	})
}

// What is removed during an erasure, and what an erasure failed for, is for the next.
func TestMarksStayUntilErased(t *testing.T) {
	s, e := memstore.New(), new(eraser)
	defer s.Close()
	c := retention.New(retention.Options{Store: s, Clock: open(t, s), EventRetention: time.Hour, Eraser: e})
	remove(t, s, "A", "c")
	remove(t, s, "A", "d")
	e.fails = errors.New("disk")
	if err := c.EraseRemoved(t.Context()); err != e.fails || marked(t, s) != 2 {
		t.Errorf("%v, %d marks", err, marked(t, s))
	}
	e.fails, e.during = nil, func() { remove(t, s, "A", "d") }
	if err := c.EraseRemoved(t.Context()); err != nil || marked(t, s) != 1 {
		t.Errorf("%v, %d marks", err, marked(t, s))
	}
	e.during = nil
	if err := c.EraseRemoved(t.Context()); err != nil || marked(t, s) != 0 {
		t.Errorf("%v, %d marks", err, marked(t, s))
	}
	if want := []string{"19 [A c] [A d]", "19 [A c] [A d]", "19 [A d]"}; !slices.Equal(e.asked, want) {
		t.Errorf("asked for %q", e.asked)
	}
}
