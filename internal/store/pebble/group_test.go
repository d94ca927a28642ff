package pebble

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// asGroup runs the functions as Updates of one group, in their order, and returns their errors. A function
// that panics has its panic as an error.
func asGroup(s *Store, app string, functions []func(store.Tx) error) []error {
	var all sync.WaitGroup
	inside, release := make(chan struct{}), make(chan struct{})
	all.Go(func() { // the line forms behind one that takes long
		_ = s.Update(context.Background(), app, func(store.Tx) error {
			close(inside)
			<-release
			return nil
		})
	})
	<-inside

	results := make([]error, len(functions))
	for i, f := range functions {
		results[i] = errExited
		all.Go(func() { results[i] = updateOrPanic(s, app, f) })
		for s.waits() <= i {
			runtime.Gosched()
		}
	}
	close(release)
	all.Wait()
	return results
}

func updateOrPanic(s store.Store, app string, f func(store.Tx) error) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	return s.Update(context.Background(), app, f)
}

// waits is how many Updates wait for a leader.
func (s *Store) waits() int {
	s.line.mu.Lock()
	defer s.line.mu.Unlock()
	return len(s.line.waiting)
}

// history makes random transactions that note what they read.
type history struct {
	rng   *rand.Rand
	round uint64
}

var errAborted = errors.New("aborted")

// transaction is one of them, to be run on any number of stores.
func (h *history) transaction() func(store.Tx, *[]string) error {
	steps := make([]func(store.Tx, *[]string) error, h.rng.IntN(6))
	for i := range steps {
		steps[i] = h.step()
	}
	ends := h.rng.IntN(12)
	return func(tx store.Tx, notes *[]string) error {
		for _, step := range steps {
			if err := step(tx, notes); err != nil {
				return err
			}
		}
		switch ends {
		case 0, 1:
			return errAborted
		case 2:
			panic("in a transaction")
		}
		return nil
	}
}

func (h *history) step() func(store.Tx, *[]string) error {
	table := [...]store.TableID{table, store.Activities.ID, store.Replies.ID}[h.rng.IntN(3)]
	key := store.K("app", fmt.Sprint(h.rng.IntN(8)))
	if table == store.Replies.ID {
		key = store.Key(nil).Num(h.round/10 + h.rng.Uint64N(3)).Num(h.rng.Uint64N(2)).Num(0)
	}
	value := []byte(strings.Repeat("x", h.rng.IntN(5)) + fmt.Sprint(h.rng.IntN(100)))
	switch h.rng.IntN(10) {
	case 0, 1, 2:
		return func(tx store.Tx, _ *[]string) error { return tx.Put(table, key, value) }
	case 3:
		return func(tx store.Tx, _ *[]string) error { return tx.Delete(table, key) }
	case 4:
		return func(tx store.Tx, notes *[]string) error {
			position, err := tx.Append(chime.Event{Type: "t", Topic: chime.Topic{App: "app"}})
			*notes = append(*notes, fmt.Sprint("event ", position))
			return err
		}
	case 5:
		return func(tx store.Tx, notes *[]string) error {
			err := tx.Scan(table, store.Prefix(store.K("app")), func(k store.Key, v []byte) (bool, error) {
				*notes = append(*notes, fmt.Sprintf("%d %q=%q", table, k, v))
				return true, nil
			})
			return err
		}
	case 6:
		return func(tx store.Tx, _ *[]string) error { return tx.DeleteRange(table, store.Prefix(store.K("app"))) }
	case 7:
		return func(tx store.Tx, _ *[]string) error { // more than are deleted one by one
			for i := range uint64(smallRange + 1) {
				if err := tx.Put(table, store.K("app", "many").Num(i), value); err != nil {
					return err
				}
			}
			return tx.DeleteRange(table, store.Prefix(store.K("app", "many")))
		}
	default:
		return func(tx store.Tx, notes *[]string) error {
			v, err := tx.Get(table, key)
			*notes = append(*notes, fmt.Sprintf("%d %q: %q", table, key, v))
			return err
		}
	}
}

// Updates of a group do what they would do one after another: each finds what those before it wrote, an
// aborted one leaves nothing, and one that panics harms none but its caller.
func TestGroupsAreSerial(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	model := memstore.New()

	for round := range uint64(200) {
		h := &history{rand.New(rand.NewPCG(round, 0)), round}
		var got, want [][]string
		var functions []func(store.Tx) error
		var errs []error
		for range 1 + h.rng.IntN(12) {
			run := h.transaction()
			i := len(functions)
			got, want = append(got, nil), append(want, nil)
			functions = append(functions, func(tx store.Tx) error { got[i] = nil; return run(tx, &got[i]) })
			errs = append(errs, updateOrPanic(model, "app", func(tx store.Tx) error { want[i] = nil; return run(tx, &want[i]) }))
		}

		results := asGroup(s, "app", functions)
		for i := range results {
			if fmt.Sprint(results[i]) != fmt.Sprint(errs[i]) || !slices.Equal(got[i], want[i]) {
				t.Fatalf("round %d, transaction %d: %v, read %q; want %v, %q", round, i, results[i], got[i], errs[i], want[i])
			}
		}
		if got, want := entries(t, s), entries(t, model); !slices.Equal(got, want) {
			t.Fatalf("round %d: the store has %q, want %q", round, got, want)
		}
	}
}

// entries are what a View finds.
func entries(t *testing.T, s store.Store) (list []string) {
	t.Helper()
	err := s.View(t.Context(), "app", func(r store.Reader) error {
		for _, table := range [...]store.TableID{table, store.Activities.ID, store.Replies.ID} {
			err := r.Scan(table, store.Range{}, func(k store.Key, v []byte) (bool, error) {
				list = append(list, fmt.Sprintf("%d %q=%q", table, k, v))
				return true, nil
			})
			if err != nil {
				return err
			}
		}

		start, err := store.LogStart(r, "app")
		if err != nil {
			return err
		}
		events, err := store.ReadEvents(r, "app", start, math.MaxInt)
		for _, e := range events {
			list = append(list, fmt.Sprintf("%+v", *e))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A function that ends its goroutine leaves the others of its group to another leader.
func TestAFunctionThatExits(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	var functions []func(store.Tx) error
	for i := range 10 {
		functions = append(functions, func(tx store.Tx) error {
			if err := tx.Put(table, store.K("app").Num(uint64(i)), []byte("value")); err != nil {
				return err
			}
			if i == 4 {
				runtime.Goexit()
			}
			return nil
		})
	}
	for i, err := range asGroup(s, "app", functions) {
		exited := i == 0 || i == 4 // the first led the group, in the goroutine that ended
		if (err != nil) != exited {
			t.Errorf("Update %d: %v", i, err)
		}
	}
	if n := len(entries(t, s)); n != 9 {
		t.Errorf("%d entries, want those of the functions that returned: 9", n)
	}
}

// What waits together is synced once and numbered once.
func TestAGroupIsOneCommit(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	defer closed(t, s)
	before := s.commits
	var functions []func(store.Tx) error
	for i := range 50 {
		functions = append(functions, func(tx store.Tx) error {
			return tx.Put(table, store.K("app").Num(uint64(i)), []byte("value"))
		})
	}
	if err := errors.Join(asGroup(s, "app", functions)...); err != nil {
		t.Fatal(err)
	}
	if n := s.commits - before; n != 1 {
		t.Errorf("%d commits", n)
	}
	if n := s.Stats().Commits; n != 50 {
		t.Errorf("%d transactions are counted, want 50", n)
	}
}

// Keys with one hash are told apart.
func TestWritesWithOneHash(t *testing.T) {
	var w writes
	w.add([]byte("a"), []byte("1"), false)
	w.add([]byte("b"), []byte("2"), false)
	a, b := w.list[0].hash, w.list[1].hash
	w.list[1].hash, w.list[1].earlier, w.index[a] = a, 0, 1 // as if b had the hash of a
	delete(w.index, b)

	if value, known := w.find([]byte("a")); !known || string(value) != "1" {
		t.Errorf("a is %q, %t", value, known)
	}
	w.takeBack(1)
	if value, known := w.find([]byte("a")); !known || string(value) != "1" {
		t.Errorf("without b, a is %q, %t", value, known)
	}
	w.takeBack(0)
	if _, known := w.find([]byte("a")); known || len(w.index) > 0 || len(w.room) > 0 {
		t.Error("something is left")
	}
}

// An entry that a group writes again and again is written once.
func TestAGroupWritesAnEntryOnce(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	value := []byte(strings.Repeat("value", 200))
	var functions []func(store.Tx) error
	for range 50 {
		functions = append(functions, func(tx store.Tx) error { return tx.Put(table, store.K("app"), value) })
	}
	if err := errors.Join(asGroup(s, "app", functions)...); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().BatchBytes; n > 2*uint64(len(value)) {
		t.Errorf("%d bytes were written for one value of %d", n, len(value))
	}
}
