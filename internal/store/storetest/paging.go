package storetest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/store"
)

type item struct {
	N uint64 `cbor:"1,keyasint"`
}

var items = store.Table[item]{ID: two, Name: "items"}

func putItems(t *testing.T, s store.Store, numbers ...uint64) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for _, n := range numbers {
			if err := items.Put(tx, store.K("list").Num(n), item{n}); err != nil {
				return err
			}
		}
		return nil
	})
}

func page(s store.Store, p store.Page, reverse bool, keep func(item) (uint64, bool, error)) (list []uint64, next string, err error) {
	err = s.View(context.Background(), app, func(r store.Reader) error {
		rng := store.Prefix(store.K("list"))
		rng.Reverse = reverse
		list, next, err = store.List(r, items, rng, p, keep)
		return err
	})
	return list, next, err
}

func every(i item) (uint64, bool, error) { return i.N, true, nil }
func odd(i item) (uint64, bool, error)   { return i.N, i.N%2 == 1, nil }

func pagesAreExact(t *testing.T, h Harness) {
	s := h.open(t)
	numbers := make([]uint64, 40)
	for i := range numbers {
		numbers[i] = uint64(i) * 10
	}
	putItems(t, s, numbers...)
	update(t, s, func(tx store.Tx) error { // neighbours that no page may reach
		return errors.Join(items.Put(tx, store.K("lis").Num(1), item{999}), items.Put(tx, store.K("list2").Num(1), item{999}))
	})

	// Whatever the size of its pages, a list is the same.
	for _, limit := range []int{1, 3, 39, 40, 41} {
		for _, reverse := range []bool{false, true} {
			t.Run(fmt.Sprint(limit, reverse), func(t *testing.T) {
				got := walk(t, s, limit, reverse, every, func(int, []uint64) {})
				want := slices.Clone(numbers)
				if reverse {
					slices.Reverse(want)
				}
				same(t, "all pages", got, want)
			})
		}
	}

	// A filter leaves items out and does not end the list early.
	t.Run("filtered", func(t *testing.T) {
		putItems(t, s, 11, 13, 15)
		same(t, "all pages", walk(t, s, 2, false, odd, func(int, []uint64) {}), []uint64{11, 13, 15})
		same(t, "all pages", walk(t, s, 3, false, odd, func(int, []uint64) {}), []uint64{11, 13, 15})
		update(t, s, func(tx store.Tx) error {
			return tx.DeleteRange(two, store.Range{From: store.K("list").Num(11), To: store.K("list").Num(16)})
		})
	})

	t.Run("while the list changes", func(t *testing.T) {
		got := walk(t, s, 7, false, every, func(_ int, list []uint64) {
			last := list[len(list)-1]
			putItems(t, s, last-1, list[0]+1, last+1) // two behind, one ahead
			update(t, s, func(tx store.Tx) error { return items.Delete(tx, store.K("list").Num(last)) })
		})
		var kept []uint64
		for _, n := range got { // of those that were there from first to last none is missing or doubled
			if n%10 == 0 {
				kept = append(kept, n)
			}
		}
		same(t, "those that were there all the time", kept, numbers)
		if !slices.IsSorted(got) {
			t.Errorf("out of order: %d", got)
		}
	})
}

// walk reads page after page and calls between each two. No page but the only one is empty.
func walk(t *testing.T, s store.Store, limit int, reverse bool, keep func(item) (uint64, bool, error), between func(int, []uint64)) (all []uint64) {
	t.Helper()
	p := store.Page{Scope: "walk", Limit: limit}
	for i := 0; ; i++ {
		list, next, err := page(s, p, reverse, keep)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 || len(list) > limit || next != "" && len(list) < limit {
			t.Fatalf("page %d has %d items of at most %d, next %q", i, len(list), limit, next)
		}
		all = append(all, list...)
		if next == "" {
			return all
		}
		between(i, list)
		p.Token = next
	}
}

func pageTokens(t *testing.T, h Harness) {
	s := h.open(t)
	list, next, err := page(s, store.Page{Scope: "a", Limit: 5}, false, every)
	if len(list) != 0 || next != "" || err != nil {
		t.Errorf("an empty list: %d, %q, %v", list, next, err)
	}

	// A token leads to the next page.
	putItems(t, s, 1, 2, 3)
	_, token, err := page(s, store.Page{Scope: "a", Limit: 1}, false, every)
	if token == "" || err != nil {
		t.Fatalf("token %q, %v", token, err)
	}
	list, _, err = page(s, store.Page{Scope: "a", Limit: 1, Token: token}, false, every)
	if err != nil || !slices.Equal(list, []uint64{2}) {
		t.Errorf("second page: %d, %v", list, err)
	}

	// A token that this list did not give is refused.
	for name, p := range map[string]store.Page{
		"another scope": {Scope: "b", Limit: 1, Token: token},
		"cut short":     {Scope: "a", Limit: 1, Token: token[:8]},
		"no base64":     {Scope: "a", Limit: 1, Token: "%%%"},
		"a text":        {Scope: "a", Limit: 1, Token: "AAAAAAAAAAAAAAAAAAAA"},
		"one more":      {Scope: "a", Limit: 1, Token: "A" + token},
	} {
		if _, _, err := page(s, p, false, every); !errors.Is(err, store.ErrPageToken) {
			t.Errorf("%s: %v", name, err)
		}
	}

	err = s.View(context.Background(), app, func(r store.Reader) error { // the same scope, another list
		_, _, err := store.List(r, items, store.Prefix(store.K("other")), store.Page{Scope: "a", Limit: 1, Token: token}, every)
		return err
	})
	if !errors.Is(err, store.ErrPageToken) {
		t.Errorf("a token of another range: %v", err)
	}
}

// floorsMove: a list that loses its beginning between two pages leaves it out and refuses no
// token.
func floorsMove(t *testing.T, h Harness) {
	s := h.open(t)
	putItems(t, s, 1, 2, 3, 4, 5, 6)
	for _, tc := range []struct {
		reverse bool
		floor   uint64 // of the second page; the first has two items
		want    []uint64
	}{
		{false, 0, []uint64{3, 4, 5, 6}},
		{false, 3, []uint64{3, 4, 5, 6}},
		{false, 5, []uint64{5, 6}},
		{false, 7, nil},
		{true, 0, []uint64{4, 3, 2, 1}},
		{true, 3, []uint64{4, 3}},
		{true, 4, []uint64{4}},
		{true, 5, nil},
		{true, 7, nil},
	} {

		// The floor rises between the first page and the second.
		_, token, err := page(s, store.Page{Scope: "a", Limit: 2}, tc.reverse, every)
		if err != nil {
			t.Fatal(err)
		}
		got, next, err := page(s, store.Page{Scope: "a", Limit: 9, Token: token, Floor: store.K("list").Num(tc.floor)}, tc.reverse, every)
		if err != nil || next != "" || !slices.Equal(got, tc.want) {
			t.Errorf("reverse %v, floor %d: %d, %q, %v, want %d", tc.reverse, tc.floor, got, next, err, tc.want)
		}
	}

	if got, _, err := page(s, store.Page{Scope: "a", Limit: 9, Floor: store.K("a")}, false, every); err != nil || len(got) != 6 {
		t.Errorf("a floor below the list: %d, %v", got, err)
	}
}

// forgedTokensStayInside: a client that can make tokens reads nothing that the list does
// not hold.
func forgedTokensStayInside(t *testing.T, h Harness) {
	s := h.open(t)
	putItems(t, s, 1, 2, 3)
	update(t, s, func(tx store.Tx) error {
		return errors.Join(items.Put(tx, store.K("a").Num(1), item{100}), items.Put(tx, store.K("z").Num(1), item{100}))
	})

	// A true token shows how the scope is encoded.
	_, token, err := page(s, store.Page{Scope: "a", Limit: 1}, false, every)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	scope := raw[:8]

	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(
			rapid.SliceOf(rapid.Byte()),
			rapid.Custom(func(t *rapid.T) []byte { return modelKey.Draw(t, "key") }),
			rapid.Custom(func(t *rapid.T) []byte { return store.K("list").Num(rapid.Uint64().Draw(t, "n")) }),
		).Draw(t, "key")
		forged := base64.RawURLEncoding.EncodeToString(append(slices.Clone(scope), key...))
		list, _, err := page(s, store.Page{Scope: "a", Limit: 10, Token: forged}, rapid.Bool().Draw(t, "reverse"), every)
		if err != nil && !errors.Is(err, store.ErrPageToken) {
			t.Fatal(err)
		}
		for _, n := range list {
			if n > 3 {
				t.Fatalf("the token %q gave an item of another list", key)
			}
		}
	})
}
