package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// together runs Updates as one batch: they come while another holds the lead.
func together(t *testing.T, s *Store, functions ...func(store.Tx) error) (errs []error, panics []any) {
	t.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		if err := s.Update(context.Background(), app, func(store.Tx) error { close(held); <-release; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-held
	errs, panics = make([]error, len(functions)), make([]any, len(functions))
	l := s.lines.hold(app)
	defer s.lines.release(l)
	for i, f := range functions {
		working.Go(func() {
			returned := false
			defer func() {
				if !returned {
					panics[i] = recover()
				}
			}()
			errs[i] = s.Update(context.Background(), app, f)
			returned = true
		})
		eventually(t, func() error { // so that they wait in their order
			l.mu.Lock()
			defer l.mu.Unlock()
			if len(l.waiting) != i+1 {
				return fmt.Errorf("%d wait", len(l.waiting))
			}
			return nil
		})
	}
	close(release)
	working.Wait()
	return errs, panics
}

// TestBatch: members see what those before them wrote, and one that fails, panics, ends its goroutine or reads a range
// takes nothing from the others.
func TestBatch(t *testing.T) {
	s := open(t, database(t, shared(t, pgtest.Latest(t))), Options{})
	failed := errors.New("failed")
	seen := make([]uint64, 8)
	counts := store.Table[uint64]{ID: table, Name: "counts"}
	count := func(i int, then func(store.Tx) error) func(store.Tx) error {
		return func(tx store.Tx) error {
			n, _, err := counts.Get(tx, store.K("n"))
			if err != nil {
				return err
			}
			seen[i] = n
			if err := counts.Put(tx, store.K("n"), n+1); err != nil {
				return err
			}
			return then(tx)
		}
	}
	fine := func(store.Tx) error { return nil }
	errs, panics := together(t, s,
		count(0, fine), count(1, func(store.Tx) error { return failed }), count(2, fine), count(3, func(store.Tx) error { panic("boom") }),
		count(4, func(store.Tx) error { runtime.Goexit(); return nil }), count(5, func(tx store.Tx) error {
			return tx.Scan(table, store.Range{}, func(store.Key, []byte) (bool, error) { return true, nil })
		}), count(6, func(tx store.Tx) error {
			_, err := tx.Get(table, store.K("another"))
			return err
		}), count(7, fine))
	for i, want := range []uint64{0, 1, 1, 2, 2, 2, 3, 4} {
		if seen[i] != want {
			t.Errorf("member %d saw %d, want %d", i, seen[i], want)
		}
	}
	for i, err := range errs {
		switch {
		case i == 1 && err != failed, i == 4 && !errors.Is(err, errExited), i != 1 && i != 3 && i != 4 && err != nil:
			t.Errorf("member %d is answered %v", i, err)
		}
	}
	if panics[3] != "boom" {
		t.Errorf("the panic came back as %v", panics[3])
	}
}

// TestBatchReadsTogether: reads that follow from one another cost as many trips as those of one member.
func TestBatchReadsTogether(t *testing.T) {
	s := open(t, database(t, shared(t, pgtest.Latest(t))), Options{})
	const members, depth = 20, 4
	texts := store.Table[string]{ID: table, Name: "texts"}
	err := s.Update(t.Context(), app, func(tx store.Tx) (err error) {
		for m := range members {
			for d := range depth {
				err = errors.Join(err, texts.Put(tx, store.K(fmt.Sprint(m, "/", d)), fmt.Sprint(m, "/", d+1)))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var functions []func(store.Tx) error
	for m := range members {
		functions = append(functions, func(tx store.Tx) error {
			at := fmt.Sprint(m, "/", 0)
			for range depth {
				next, found, err := texts.Get(tx, store.K(at))
				if err != nil || !found {
					return fmt.Errorf("at %s: %w", at, err)
				}
				at = next
			}
			return texts.Put(tx, store.K("end", at), at)
		})
	}
	before := s.stats.trips.Load()
	errs, _ := together(t, s, functions...)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	// Two batches: the first holds the lead. Each locks; the second reads and commits.
	if trips := s.stats.trips.Load() - before; trips > depth+6 {
		t.Errorf("%d members that read %d times each took %d trips", members, depth, trips)
	}
}
