package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/store"
)

func getPutDelete(t *testing.T, h Harness) {
	s := h.open(t)
	key := store.K("a")
	expect := func(want string) {
		t.Helper()
		if got := get(t, s, one, key); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect("none")
	put(t, s, one, key, "1")
	expect("1")
	put(t, s, one, key, "2")
	expect("2")
	put(t, s, one, key, "")
	expect("")
	update(t, s, func(tx store.Tx) error { return tx.Delete(one, key) })
	expect("none")
	update(t, s, func(tx store.Tx) error { return tx.Delete(one, key) })
	expect("none")

	update(t, s, func(tx store.Tx) error { // the caller's bytes stay the caller's
		k, v := store.K("b"), []byte("x")
		if err := tx.Put(one, k, v); err != nil {
			return err
		}
		k[1], v[0] = 'c', 'y'
		return nil
	})
	if got := get(t, s, one, store.K("b")); got != "x" {
		t.Errorf("after changing the slices given to Put: %q", got)
	}
	var kept []byte
	view(t, s, func(r store.Reader) (err error) {
		kept, err = r.Get(one, store.K("b"))
		return err
	})
	for i := range 100 {
		put(t, s, one, store.K("b"), fmt.Sprint(i))
	}
	if string(kept) != "x" {
		t.Errorf("a value kept after View became %q", kept)
	}
}

// awkward strings in their order as bytes.
var awkward = []string{
	"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "\x02", "\x03", "a", "a\x00", "a\x00b", "a\x01",
	"aa", "ab", "b", "ß", "é", "日本", "日本語", "😀", "\xff", "\xff\x00", "\xff\xff",
}

// getMany returns what single calls of Get do, in the order of the lookups, and a transaction's own writes.
func getMany(t *testing.T, h Harness) {
	s := h.open(t)
	large := strings.Repeat("x", 3000)
	put(t, s, one, store.K("a"), "a")
	put(t, s, one, store.K("large"), large)
	put(t, s, two, store.K("a"), "")
	put(t, s, two, store.K("b"), "b")
	lookups := []store.Lookup{
		{Table: two, Key: store.K("b")}, {Table: one, Key: store.K("none"), Value: []byte("of before")}, {Table: one, Key: store.K("large")},
		{Table: one, Key: store.K("a")}, {Table: two, Key: store.K("a")}, {Table: two, Key: store.K("b")},
	}

	// The lookups are used again, so each call has to replace the values of the call before.
	check := func(r store.Reader, want ...string) error {
		t.Helper()
		err := r.GetMany(lookups)
		for i, l := range lookups {
			value := string(l.Value)
			if l.Value == nil {
				value = "none"
			}
			same(t, fmt.Sprint("value ", i), value, want[i])
		}
		return err
	}
	view(t, s, func(r store.Reader) error {
		if err := r.GetMany(nil); err != nil {
			return err
		}
		return check(r, "b", "none", large, "a", "", "b")
	})

	update(t, s, func(tx store.Tx) error {
		err := errors.Join(tx.Put(one, store.K("none"), []byte("new")), tx.Delete(one, store.K("a")), tx.Put(two, store.K("b"), []byte("other")))
		return errors.Join(err, check(tx, "other", "new", large, "none", "", "other"))
	})
}

func keysSortAsColumns(t *testing.T, h Harness) {
	s := h.open(t)
	var keys []store.Key
	for _, a := range awkward {
		keys = append(keys, store.K(a))
		for _, b := range awkward {
			keys = append(keys, store.K(a, b))
		}
		for _, n := range []uint64{0, 1, 255, 256, 1 << 63, ^uint64(0)} {
			keys = append(keys, store.K(a).Num(n))
		}
	}

	// The entries are written backwards, so that their order is not that of the writes.
	update(t, s, func(tx store.Tx) error {
		for i := len(keys) - 1; i >= 0; i-- {
			if err := tx.Put(two, keys[i], []byte(fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return nil
	})

	view(t, s, func(r store.Reader) error {
		i := 0
		return r.Scan(two, store.Range{}, func(key store.Key, value []byte) (bool, error) {
			if i >= len(keys) || !bytes.Equal(key, keys[i]) || string(value) != fmt.Sprint(i) {
				t.Errorf("entry %d is %q = %s", i, key, value)
			}
			i++
			return true, nil
		})
	})

	// A prefix holds what its first column holds, and not what begins with the same bytes.
	for i, a := range awkward {
		want := slices.Index(awkward, a)
		view(t, s, func(r store.Reader) error {
			each := len(keys) / len(awkward)
			values, err := scan(r, two, store.Prefix(store.K(a)))
			if len(values) != each || values[0] != fmt.Sprint(i*each) {
				t.Errorf("prefix %q (%d): %d entries beginning with %s", a, want, len(values), values[0])
			}
			return err
		})
	}
}

func scanBounds(t *testing.T, h Harness) {
	s := h.open(t)

	// Neighbours on both sides show a scan that goes too far.
	update(t, s, func(tx store.Tx) error {
		for _, name := range []string{"b", "d", "f", "h"} {
			if err := tx.Put(one, store.K("k", name), []byte(name)); err != nil {
				return err
			}
		}
		if err := tx.Put(one, store.K("j", "z"), []byte("before")); err != nil {
			return err
		}
		return tx.Put(one, store.K("l", "a"), []byte("after"))
	})

	at := func(name string) store.Key { return store.K("k", name) }
	for _, test := range []struct {
		name     string
		from, to store.Key
		want     string
	}{
		{"everything", nil, nil, "before b d f h after"},
		{"prefix", store.Prefix(store.K("k")).From, store.Prefix(store.K("k")).To, "b d f h"},
		{"prefix of nothing", store.Prefix(store.K("kk")).From, store.Prefix(store.K("kk")).To, ""},
		{"from an entry", at("d"), nil, "d f h after"},
		{"from between", at("c"), nil, "d f h after"},
		{"to an entry", nil, at("f"), "before b d"},
		{"to between", nil, at("g"), "before b d f"},
		{"both", at("d"), at("h"), "d f"},
		{"from is to", at("d"), at("d"), ""},
		{"from after to", at("f"), at("b"), ""},
		{"beyond the end", store.K("m"), nil, ""},
		{"before the start", nil, store.K("a"), ""},
	} {
		view(t, s, func(r store.Reader) error {
			want := strings.Fields(test.want)
			got, err := scan(r, one, store.Range{From: test.from, To: test.to})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: got %q, %v; want %q", test.name, got, err, want)
			}
			slices.Reverse(want)
			got, err = scan(r, one, store.Range{From: test.from, To: test.to, Reverse: true})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s in reverse: got %q, %v; want %q", test.name, got, err, want)
			}
			return nil
		})
	}

	// A scan ends where its callback ends it.
	for _, reverse := range []bool{false, true} {
		view(t, s, func(r store.Reader) error {
			n := 0
			err := r.Scan(one, store.Range{Reverse: reverse}, func(store.Key, []byte) (bool, error) {
				n++
				return n < 2, nil
			})
			if n != 2 {
				t.Errorf("a scan that was told to stop after 2 entries went on to %d", n)
			}
			return err
		})
	}
}

func tablesAreApart(t *testing.T, h Harness) {
	s := h.open(t)
	put(t, s, two, store.K("a"), "two")
	put(t, s, three, store.K("a"), "three")
	put(t, s, two-1, store.K("a"), "before")
	view(t, s, func(r store.Reader) error {
		for _, reverse := range []bool{false, true} {
			got, err := scan(r, two, store.Range{Reverse: reverse})
			if err != nil || !slices.Equal(got, []string{"two"}) {
				t.Errorf("scan of one table: %q, %v", got, err)
			}
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error { return tx.DeleteRange(two, store.Range{}) })
	if a, b, c := get(t, s, two-1, store.K("a")), get(t, s, two, store.K("a")), get(t, s, three, store.K("a")); a != "before" || b != "none" || c != "three" {
		t.Errorf("after emptying the table between: %q, %q, %q", a, b, c)
	}
}

func largeRecords(t *testing.T, h Harness) {
	s := h.open(t)
	large := strings.Repeat("large", 400<<10)
	put(t, s, one, store.K("large"), large)
	update(t, s, func(tx store.Tx) error {
		for i := range uint64(3000) {
			if err := tx.Put(two, store.K("k").Num(i), []byte(fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return nil
	})
	if got := get(t, s, one, store.K("large")); got != large {
		t.Errorf("a value of %d bytes came back with %d", len(large), len(got))
	}
	update(t, s, func(tx store.Tx) error {
		return tx.DeleteRange(two, store.Range{From: store.K("k").Num(10), To: store.K("k").Num(2990)})
	})
	view(t, s, func(r store.Reader) error {
		got, err := scan(r, two, store.Range{})
		if len(got) != 20 || got[9] != "9" || got[10] != "2990" {
			t.Errorf("after deleting all but 10 at each end: %q", got)
		}
		return err
	})
}

func seesOwnWrites(t *testing.T, h Harness) {
	s := h.open(t)
	put(t, s, one, store.K("k", "a"), "old a")
	put(t, s, one, store.K("k", "b"), "old b")
	all := store.Prefix(store.K("k"))
	update(t, s, func(tx store.Tx) error {
		expect := func(want ...string) {
			t.Helper()
			got, err := scan(tx, one, all)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}

		// Each write is seen by the reads after it in the same transaction.
		must(tx.Put(one, store.K("k", "c"), []byte("c")))
		expect("old a", "old b", "c")
		must(tx.Put(one, store.K("k", "a"), []byte("a")))
		expect("a", "old b", "c")
		if v, err := read(tx, one, store.K("k", "a")); v != "a" || err != nil {
			t.Errorf("get after put: %q, %v", v, err)
		}
		must(tx.Delete(one, store.K("k", "b")))
		expect("a", "c")
		must(tx.DeleteRange(one, all))
		expect()
		if v, err := read(tx, one, store.K("k", "a")); v != "none" || err != nil {
			t.Errorf("get after DeleteRange: %q, %v", v, err)
		}

		// A write after a removal of the range stays.
		must(tx.Put(one, store.K("k", "b"), []byte("new b")))
		expect("new b")
		must(tx.DeleteRange(one, store.Range{From: store.K("k", "b"), To: store.K("k", "b")}))
		expect("new b")
		return nil
	})

	view(t, s, func(r store.Reader) error {
		got, err := scan(r, one, all)
		if !slices.Equal(got, []string{"new b"}) {
			t.Errorf("after the commit: %q", got)
		}
		return err
	})
}

func scanWhileWriting(t *testing.T, h Harness) {
	s := h.open(t)
	for _, name := range []string{"a", "b", "c"} {
		put(t, s, one, store.K(name), name)
	}

	// The callback removes what the scan has not reached yet and adds behind it.
	var seen []string
	update(t, s, func(tx store.Tx) error {
		seen = nil
		return tx.Scan(one, store.Range{}, func(key store.Key, value []byte) (bool, error) {
			seen = append(seen, string(value))
			if err := tx.Delete(one, slices.Clone(key)); err != nil {
				return false, err
			}
			if err := tx.Delete(one, store.K("c")); err != nil {
				return false, err
			}
			return true, tx.Put(one, store.K("d", string(value)), []byte("new"))
		})
	})

	// The scan goes on with what there was when it began.
	if want := []string{"a", "b", "c"}; !slices.Equal(seen, want) {
		t.Errorf("the scan saw %q, want %q", seen, want)
	}
	view(t, s, func(r store.Reader) error {
		got, err := scan(r, one, store.Range{})
		if want := []string{"new", "new", "new"}; !slices.Equal(got, want) {
			t.Errorf("afterwards %q, want %q", got, want)
		}
		return err
	})
}

func callbackErrors(t *testing.T, h Harness) {
	s := h.open(t)
	put(t, s, one, store.K("a"), "\x01\xa0") // an empty record
	put(t, s, two, store.K("a"), "\xfe")     // no record
	boom := errors.New("boom")
	table := store.Table[struct{}]{ID: one, Name: "ones"}
	for name, f := range map[string]func(store.Reader) error{
		"f": func(store.Reader) error { return boom },
		"Scan": func(r store.Reader) error {
			return r.Scan(one, store.Range{}, func(store.Key, []byte) (bool, error) { return true, boom })
		},
		"Each": func(r store.Reader) error {
			return table.Each(r, store.Range{}, func(store.Key, struct{}) (bool, error) { return true, boom })
		},
		"List": func(r store.Reader) error {
			_, _, err := store.List(r, table, store.Range{}, store.Page{Limit: 1}, func(struct{}) (int, bool, error) { return 0, true, boom })
			return err
		},
	} {
		if err := s.View(context.Background(), app, f); err != boom {
			t.Errorf("View with %s: %v", name, err)
		}
		if err := s.Update(context.Background(), app, func(tx store.Tx) error { return f(tx) }); err != boom {
			t.Errorf("Update with %s: %v", name, err)
		}
	}

	// A record that does not decode names its table.
	damaged := store.Table[struct{}]{ID: two, Name: "twos"}
	err := s.View(context.Background(), app, func(r store.Reader) error {
		_, _, err := damaged.Get(r, store.K("a"))
		return err
	})
	if !errors.Is(err, store.ErrNewer) || !strings.HasPrefix(err.Error(), "twos: ") {
		t.Errorf("a record of a later version: %v", err)
	}
}
