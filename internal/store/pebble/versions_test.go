package pebble

import (
	"fmt"
	"math/rand"
	"sync"
	"testing"

	"github.com/carillon-chat/carillon/internal/store"
)

// While the version of a prefix is the same, so are the entries under it, whatever is written meanwhile.
func TestAVersionIsOfItsEntries(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const app, channels, writes, reads = "app", 5, 200, 2000
	prefix := func(i int) store.Key { return store.K(app, fmt.Sprint("channel-", i)) }
	table := store.Messages.ID

	var writers, readers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			random := rand.New(rand.NewSource(int64(w)))
			for n := range writes {
				at := prefix(random.Intn(channels))
				err := s.Update(t.Context(), app, func(tx store.Tx) error {
					if random.Intn(20) == 0 {
						return tx.DeleteRange(table, store.Prefix(at))
					}
					return tx.Put(table, at.Str(fmt.Sprint(random.Intn(4))), fmt.Append(nil, w, n))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}

	var mu sync.Mutex
	seen := make(map[string]string)
	same := 0
	look := func(i int) {
		var version uint64
		entries := ""
		err := s.View(t.Context(), app, func(r store.Reader) error {
			version = store.Version(r, table, prefix(i))
			return r.Scan(table, store.Prefix(prefix(i)), func(key store.Key, value []byte) (bool, error) {
				entries += fmt.Sprintf("%x=%s ", key, value)
				return true, nil
			})
		})
		if err != nil {
			t.Error(err)
		}
		if version == 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		name := fmt.Sprint(i, " ", version)
		before, found := seen[name]
		if found && before != entries {
			t.Errorf("channel %s was %q and is %q", name, before, entries)
		}
		if seen[name] = entries; found {
			same++
		}
	}
	for reader := range 3 {
		readers.Go(func() {
			random := rand.New(rand.NewSource(int64(reader)))
			for range reads {
				look(random.Intn(channels))
			}
		})
	}
	writers.Wait()
	readers.Wait()

	// Nothing is written any more: every channel keeps its version.
	for i := range channels {
		look(i)
		was := same
		if look(i); same != was+1 {
			t.Errorf("the version of channel %d changed without a write", i)
		}
	}
}

func TestWhatHasAVersion(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	version := func(table store.TableID, prefix store.Key) (v uint64) {
		t.Helper()
		if err := s.View(t.Context(), "app", func(r store.Reader) error {
			v = store.Version(r, table, prefix)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, test := range map[string]struct {
		table  store.TableID
		prefix store.Key
		has    bool
	}{
		"a channel's messages":    {store.Messages.ID, store.K("app", "uid"), true},
		"a sub-channel's alone":   {store.Messages.ID, store.K("app", "uid", "sub"), false},
		"an app's messages":       {store.Messages.ID, store.K("app"), false},
		"an app's users":          {store.Users.ID, store.K("app"), true},
		"the traces of a channel": {store.TableTraces, store.K("app", "uid"), false},
	} {
		if v := version(test.table, test.prefix); (v != 0) != test.has {
			t.Errorf("%s: version %d", name, v)
		}
	}

	// A View that began before a write cannot know what the version was, and a transaction sees its own.
	uid := store.K("app", "uid")
	put := func(tx store.Tx) error { return tx.Put(store.Messages.ID, uid.Str("id"), []byte("x")) }
	before := version(store.Messages.ID, uid)
	if err := s.View(t.Context(), "app", func(r store.Reader) error {
		err := s.Update(t.Context(), "app", func(tx store.Tx) error {
			if v := store.Version(tx, store.Messages.ID, uid); v != 0 {
				t.Errorf("a transaction reads version %d", v)
			}
			return put(tx)
		})
		if v := store.Version(r, store.Messages.ID, uid); v != 0 {
			t.Errorf("the View before reads version %d", v)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if after := version(store.Messages.ID, uid); after == 0 || after == before {
		t.Errorf("version %d after a write, %d before", after, before)
	}
}

// A range of one channel that is removed changes the version of that channel, and of no other; a longer one those
// of all that it may hold.
func TestARemovedRangeHasAVersion(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	table := store.Messages.ID
	this, other, users := store.K("app", "this"), store.K("app", "other"), store.K("app")
	read := func() (now [3]uint64) {
		t.Helper()
		if err := s.View(t.Context(), "app", func(r store.Reader) error {
			now = [3]uint64{store.Version(r, table, this), store.Version(r, table, other), store.Version(r, store.Users.ID, users)}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return now
	}
	for name, test := range map[string]struct {
		table   store.TableID
		rng     store.Range
		changes [3]bool
	}{
		"all of a channel":       {table, store.Prefix(this), [3]bool{true, false, false}},
		"a part of a channel":    {table, store.Range{From: this.Str("1"), To: store.K("app", "this", "9")}, [3]bool{true, false, false}},
		"all of an app instance": {table, store.Prefix(store.K("app")), [3]bool{true, true, true}},
		"of a table without":     {store.BansInOrder.ID, store.Prefix(this), [3]bool{}},
	} {
		if err := s.Update(t.Context(), "app", func(tx store.Tx) (err error) {
			for i := 0; i < 2*smallRange && err == nil; i++ {
				err = tx.Put(test.table, store.K("app", "this").Str(fmt.Sprint(i+1000)), []byte("x"))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		before := read()
		if err := s.Update(t.Context(), "app", func(tx store.Tx) error { return tx.DeleteRange(test.table, test.rng) }); err != nil {
			t.Fatal(err)
		}
		after := read()
		for i, changes := range test.changes {
			if (after[i] != before[i]) != changes {
				t.Errorf("%s: version %d was %d and is %d", name, i, before[i], after[i])
			}
		}
	}
}
