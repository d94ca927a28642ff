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

	crdb "github.com/cockroachdb/pebble/v2"

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

// Of keys that were written none is ever taken for absent, and few of the others are looked for.
func TestAbsent(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	at := func(part, hash uint64) []byte {
		return path(store.Replies.ID, store.Key(nil).Num(part).Num(hash).Num(0))
	}
	const parts, each = 6, 100_000
	rng := rand.New(rand.NewPCG(1, 2))
	a := s.group.absent
	var hashes [parts][]uint64
	for part := range uint64(parts) {
		for range each {
			hash := rng.Uint64()
			hashes[part] = append(hashes[part], hash)
			a.add(at(part, hash))
		}
	}

	missed := 0
	for part := range uint64(parts) {
		for _, hash := range hashes[part] {
			if a.has(at(part, hash)) {
				t.Fatalf("a key of part %d is taken for absent", part)
			}
			if part >= parts-keptParts && !a.has(at(part, rng.Uint64())) {
				missed++
			}
		}
	}
	if most := keptParts * each / 100; missed > most {
		t.Errorf("%d keys that were not written are looked for, want %d at most", missed, most)
	}
	if len(a.parts) != keptParts {
		t.Errorf("%d filters", len(a.parts))
	}
	if !a.has(at(parts, 1)) {
		t.Error("a part that was never written is read")
	}
}

// Keys from before the store was opened are read.
func TestAbsentAfterARestart(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	key := func(part uint64) store.Key { return store.Key(nil).Num(part).Num(7).Num(0) }
	put := func(s *Store, part uint64) {
		t.Helper()
		if err := s.Update(t.Context(), "app", func(tx store.Tx) error { return tx.Put(store.Replies.ID, key(part), []byte("v")) }); err != nil {
			t.Fatal(err)
		}
	}
	put(s, 1)
	put(s, 2)
	closed(t, s)
	s = d.reopen(t)
	defer closed(t, s)
	put(s, 3)
	for part, want := range map[uint64]string{1: "v", 2: "v", 3: "v", 4: ""} {
		err := s.Update(t.Context(), "app", func(tx store.Tx) error {
			value, err := tx.Get(store.Replies.ID, key(part))
			if string(value) != want {
				t.Errorf("part %d has %q, want %q", part, value, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What the latest parts had before the store was opened is known once it is read, and read until then.
func TestAbsentKnowsWhatWasThereBefore(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	const parts, each = 3, 1000
	at := func(part, hash uint64) store.Key { return store.Key(nil).Num(part).Num(hash).Num(0) }
	rng := rand.New(rand.NewPCG(1, 2))
	var hashes [parts][]uint64
	for part := range uint64(parts) {
		if err := s.Update(t.Context(), "app", func(tx store.Tx) (err error) {
			for i := 0; i < each && err == nil; i++ {
				hash := rng.Uint64()
				hashes[part] = append(hashes[part], hash)
				err = tx.Put(store.Replies.ID, at(part, hash), []byte("v"))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}

	// As another opening of the store finds it.
	opened := func() (*absent, *crdb.Iterator) {
		t.Helper()
		a, it, err := newAbsent(s.db)
		if err != nil {
			t.Fatal(err)
		}
		return a, it
	}
	known := func(a *absent, part uint64) (n int) {
		for range each {
			if a.has(path(store.Replies.ID, at(part, rng.Uint64()))) {
				n++
			}
		}
		return n
	}
	a, it := opened()
	for part, want := range map[uint64]int{0: 0, parts - 2: 0, parts - 1: 0, parts: each} {
		if n := known(a, part); n != want {
			t.Errorf("before anything is read, %d of %d new keys of part %d are known to be absent, want %d", n, each, part, want)
		}
	}

	late := path(store.Replies.ID, at(parts-1, 7))
	a.add(late)
	fill(it, a.parts, make(chan struct{}))
	for part := range uint64(parts) {
		for _, hash := range hashes[part] {
			if a.has(path(store.Replies.ID, at(part, hash))) {
				t.Fatalf("a key of part %d is taken for absent", part)
			}
		}
	}
	if a.has(late) {
		t.Error("a key that was added meanwhile is taken for absent")
	}
	for part, least := range map[uint64]int{parts - 2: each * 98 / 100, parts - 1: each * 98 / 100} {
		if n := known(a, part); n < least {
			t.Errorf("%d of %d new keys of part %d are known to be absent, want %d at least", n, each, part, least)
		}
	}
	if n := known(a, 0); n > 0 {
		t.Errorf("%d keys of a part that was not read are taken for absent", n)
	}

	// A store that closes is not kept waiting.
	a, it = opened()
	closing := make(chan struct{})
	close(closing)
	fill(it, a.parts, closing)
	if n := known(a, parts-1); n > 0 {
		t.Errorf("%d keys of a part that was not read are taken for absent", n)
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
