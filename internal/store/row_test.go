package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// rowsOf are a record, its place on a list, and what counts two of its kind at most.
func rowsOf(id string, order uint64) []store.Row {
	return []store.Row{
		store.BotsInOrder.Row(store.K("a").Num(order), id),
		store.UsersInOrder.Row(store.K("a").Num(order), id),
		store.Counter{Key: store.K("a", "things"), Limit: 2, What: "things"},
	}
}

func update(t *testing.T, s store.Store, f func(store.Tx) error) error {
	t.Helper()
	return s.Update(context.Background(), "a", f)
}

func TestRowsAreInsertedAndRemovedTogether(t *testing.T) {
	s := memstore.New()
	defer s.Close()
	has := func(order uint64) (found [2]bool, n uint64) {
		t.Helper()
		err := s.View(context.Background(), "a", func(r store.Reader) (err error) {
			for i, table := range []store.Table[string]{store.BotsInOrder, store.UsersInOrder} {
				if found[i], err = table.Has(r, store.K("a").Num(order)); err != nil {
					return err
				}
			}
			n, _, err = store.Counts.Get(r, store.K("a", "things"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found, n
	}
	insert := func(order uint64) error {
		return update(t, s, func(tx store.Tx) error { return store.Insert(tx, rowsOf("x", order)...) })
	}

	for order := range uint64(2) {
		if err := insert(order); err != nil {
			t.Fatal(err)
		}
	}
	if found, n := has(1); found != [2]bool{true, true} || n != 2 {
		t.Errorf("after two: %v, counted %d", found, n)
	}

	// A third is one too many, and leaves nothing.
	if err := insert(2); !api.ResourceLimitExceededException.Matches(err) {
		t.Errorf("a third: %v", err)
	}
	if found, n := has(2); found != [2]bool{} || n != 2 {
		t.Errorf("after a refusal: %v, counted %d", found, n)
	}

	// A removal finds the rows by their keys alone, and makes room for another.
	err := update(t, s, func(tx store.Tx) error { return store.Remove(tx, rowsOf("", 0)...) })
	if err != nil {
		t.Fatal(err)
	}
	if found, n := has(0); found != [2]bool{} || n != 1 {
		t.Errorf("after a removal: %v, counted %d", found, n)
	}
	if err := insert(2); err != nil {
		t.Error(err)
	}
}

func TestRowsEndAtTheFirstError(t *testing.T) {
	failed := errors.New("failed")
	for name, f := range map[string]func(store.Tx, ...store.Row) error{"insert": store.Insert, "remove": store.Remove} {
		var wrote []store.TableID
		inner := memstore.New()
		defer inner.Close()
		s := faulty.New(inner, func(c faulty.Call) error {
			if c.Op != faulty.Put && c.Op != faulty.Delete {
				return nil
			}
			if wrote = append(wrote, c.Table); c.Table == store.UsersInOrder.ID {
				return failed
			}
			return nil
		})
		err := update(t, s, func(tx store.Tx) error { return f(tx, rowsOf("x", 1)...) })
		if want := []store.TableID{store.BotsInOrder.ID, store.UsersInOrder.ID}; !errors.Is(err, failed) || !slices.Equal(wrote, want) {
			t.Errorf("%s: %v, wrote to %v, want %v", name, err, wrote, want)
		}
	}
}

func TestCounterFits(t *testing.T) {
	s := memstore.New()
	defer s.Close()
	counter := store.Counter{Key: store.K("a", "things"), Limit: 2, What: "things"}
	err := update(t, s, func(tx store.Tx) error {
		for n, refused := range []bool{1: false, 2: false, 3: true} {
			if err := counter.Fits(tx, n); api.ResourceLimitExceededException.Matches(err) != refused || !refused && err != nil {
				t.Errorf("%d more: %v", n, err)
			}
		}
		if err := store.Insert(tx, counter, counter); err != nil {
			return err
		}
		if err := counter.Fits(tx, 1); !api.ResourceLimitExceededException.Matches(err) {
			t.Errorf("one more: %v", err)
		}
		counter.Limit = 0
		return store.Insert(tx, counter)
	})
	if err != nil {
		t.Error(err)
	}
}
