package pebble

import (
	"math/rand/v2"
	"testing"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/store"
)

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
