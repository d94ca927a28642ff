package pebble

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"sync"
	"testing"

	"github.com/carillon-chat/carillon/internal/store"
)

// What Views read of a table whose values are cached is one moment, and not an earlier one than the latest
// Update that had returned: while writers change, delete and remove as ranges, two keys that every
// transaction gives the same value have the same value in every View.
func TestCachedReadsAreOneMoment(t *testing.T) {
	s, err := Open(t.TempDir(), Options{CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const app, pairs, writes, reads = "app", 20, 200, 2000
	table := store.Memberships.ID
	keys := func(pair int) (a, b store.Key) {
		return store.K(app, fmt.Sprint("a", pair)), store.K(app, fmt.Sprint("b", pair))
	}

	// A pair is the number of its latest change, and nothing when that removed it.
	var mu sync.Mutex
	acknowledged := make(map[int]uint64)
	change := func(random *rand.Rand, pair int, n uint64) error {
		a, b := keys(pair)
		return s.Update(t.Context(), app, func(tx store.Tx) error {
			value := binary.BigEndian.AppendUint64(nil, n)
			var first, second error
			switch random.Intn(8) {
			case 0:
				first, second = tx.Delete(table, a), tx.Delete(table, b)
			case 1:
				first, second = tx.DeleteRange(table, store.Prefix(a)), tx.DeleteRange(table, store.Prefix(b))
			default:
				first, second = tx.Put(table, a, value), tx.Put(table, b, value)
			}
			if first == nil {
				first = second
			}
			return first
		})
	}

	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			random := rand.New(rand.NewSource(int64(w)))
			for n := uint64(1); n <= writes; n++ {
				pair := random.Intn(pairs/4)*4 + w // which no other writer changes
				if err := change(random, pair, n); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged[pair] = n
				mu.Unlock()
			}
		})
	}
	for reader := range 4 {
		readers.Go(func() {
			random := rand.New(rand.NewSource(int64(reader)))
			for range reads {
				pair := random.Intn(pairs)
				mu.Lock()
				least := acknowledged[pair]
				mu.Unlock()
				a, b := keys(pair)
				lookups := []store.Lookup{{Table: table, Key: b}}
				var alone []byte
				err := s.View(t.Context(), app, func(r store.Reader) (err error) {
					if alone, err = r.Get(table, a); err == nil {
						err = r.GetMany(lookups)
					}
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				if string(alone) != string(lookups[0].Value) {
					t.Errorf("pair %d is %x and %x in one View", pair, alone, lookups[0].Value)
				}
				if len(alone) == 8 && binary.BigEndian.Uint64(alone) < least {
					t.Errorf("pair %d is %x after change %d was acknowledged", pair, alone, least)
				}
			}
		})
	}
	writers.Wait()
	readers.Wait()
}

// A View that began before a change reads what was there, although later Views have read the change.
func TestEarlierViewsDoNotReadLaterValues(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	table, key := store.Channels.ID, store.K("app", "channel")
	put := func(value string) {
		t.Helper()
		if err := s.Update(t.Context(), "app", func(tx store.Tx) error { return tx.Put(table, key, []byte(value)) }); err != nil {
			t.Fatal(err)
		}
	}
	view := func(want string, inside func()) {
		t.Helper()
		if err := s.View(t.Context(), "app", func(r store.Reader) error {
			for range 2 {
				if value, err := r.Get(table, key); err != nil || string(value) != want {
					t.Errorf("read %q %v, want %q", value, err, want)
				}
				inside()
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}

	view("", func() {})
	view("", func() {
		put("one")
		view("one", func() {})
	})
	view("one", func() {
		put("two")
		view("two", func() {})
	})
}

// The cache stays within its bound, and keeps what is read again.
func TestCacheIsBounded(t *testing.T) {
	c := newCache(64 << 10)
	name := func(i int) []byte { return path(store.Users.ID, store.K("app", fmt.Sprint("user-", i))) }
	for i := range 10_000 {
		c.put(name(i), make([]byte, 100), 1)
		c.put(name(-1), []byte("often"), 1)
		if i > 0 {
			c.find(name(-1), 1)
		}
	}
	size, entries := 0, 0
	for i := range c.shards {
		s := &c.shards[i]
		size += s.size
		entries += len(s.now) + len(s.before)
	}
	if most := 2 * (64 << 10) / cachedEntry; size > 64<<10 || entries == 0 || entries > most {
		t.Errorf("%d bytes and %d entries, at most %d", size, entries, most)
	}
	if value, known := c.find(name(-1), 1); !known || string(value) != "often" {
		t.Errorf("what is read again is not kept: %q", value)
	}
	if _, known := c.find(name(-1), 0); known {
		t.Error("a value was found at an earlier commit")
	}
	c.put(name(-2), make([]byte, cachedValue+1), 1)
	if _, known := c.find(name(-2), 1); known {
		t.Error("a large value was kept")
	}
}

// A range that is removed takes from the cache what it may hold, and leaves the rest there: forgetting the log
// and the tokens costs no caller a read of the disk.
func TestRemovedRangesLeaveOtherTablesCached(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	update := func(f func(tx store.Tx) error) {
		t.Helper()
		if err := s.Update(t.Context(), "app", f); err != nil {
			t.Fatal(err)
		}
	}
	many := func(table store.TableID) {
		update(func(tx store.Tx) (err error) {
			for i := 0; i < 2*smallRange && err == nil; i++ {
				err = tx.Put(table, store.K("app", "uid").Num(uint64(i)), []byte("x"))
			}
			return err
		})
	}
	key := store.K("app", "kept")
	for _, test := range []struct {
		removed store.TableID
		stays   bool
	}{
		{store.Messages.ID, true}, {store.MembersInOrder.ID, true}, {store.Activities.ID, false},
	} {
		many(test.removed)
		update(func(tx store.Tx) error { return tx.Put(store.Channels.ID, key, []byte("y")) })
		update(func(tx store.Tx) error { return tx.DeleteRange(test.removed, store.Prefix(store.K("app", "uid"))) })
		if _, known := s.cache.find(path(store.Channels.ID, key), s.visible.Load()); known != test.stays {
			t.Errorf("after a range of table %d was removed, a channel is cached: %v", test.removed, known)
		}
	}
}
