package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/store"
)

// behavesAsModel runs random transactions against the store and against a plain map.
func behavesAsModel(t *testing.T, h Harness) {
	s := h.open(t)
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		if err := s.Update(ctx, app, func(tx store.Tx) error { return tx.DeleteRange(one, store.Range{}) }); err != nil {
			t.Fatal(err)
		}
		committed := map[string]string{}
		for range rapid.IntRange(1, 6).Draw(t, "transactions") {
			abort := rapid.IntRange(0, 4).Draw(t, "abort") == 0
			work := maps.Clone(committed)
			stop := errors.New("stop")
			err := s.Update(ctx, app, func(tx store.Tx) error {
				for range rapid.IntRange(1, 12).Draw(t, "steps") {
					modelStep(t, tx, work)
				}
				if abort {
					return stop
				}
				return nil
			})
			switch {
			case abort && err != stop, !abort && err != nil:
				t.Fatal(err)
			case !abort:
				committed = work
			}
			err = s.View(ctx, app, func(r store.Reader) error {
				modelScan(t, r, committed)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

var (
	modelString = rapid.SampledFrom([]string{"", "\x00", "a", "a\x00", "ab", "b", "é", "\xff"})
	modelKey    = rapid.Custom(func(t *rapid.T) store.Key {
		k := store.K(modelString.Draw(t, "column"))
		switch rapid.IntRange(0, 2).Draw(t, "shape") {
		case 0:
			return k.Str(modelString.Draw(t, "column"))
		case 1:
			return k.Num(rapid.Uint64Range(0, 3).Draw(t, "number"))
		}
		return k
	})
	modelRange = rapid.Custom(func(t *rapid.T) store.Range {
		reverse := rapid.Bool().Draw(t, "reverse")
		if rapid.Bool().Draw(t, "prefix") {
			rng := store.Prefix(store.K(modelString.Draw(t, "column")))
			rng.Reverse = reverse
			return rng
		}
		rng := store.Range{From: modelKey.Draw(t, "from"), To: modelKey.Draw(t, "to"), Reverse: reverse}
		if rapid.IntRange(0, 3).Draw(t, "open") == 0 {
			rng.To = nil
		}
		return rng
	})
)

func modelStep(t *rapid.T, tx store.Tx, model map[string]string) {
	var err error
	switch rapid.IntRange(0, 5).Draw(t, "step") {
	case 0, 1:
		key, value := modelKey.Draw(t, "key"), rapid.StringN(0, 4, -1).Draw(t, "value")
		err = tx.Put(one, key, []byte(value))
		model[string(key)] = value
	case 2:
		key := modelKey.Draw(t, "key")
		err = tx.Delete(one, key)
		delete(model, string(key))
	case 3:
		rng := modelRange.Draw(t, "range")
		err = tx.DeleteRange(one, rng)
		maps.DeleteFunc(model, func(key, _ string) bool { return inside(key, rng) })
	case 4:
		key := modelKey.Draw(t, "key")
		want, ok := model[string(key)]
		if !ok {
			want = "none"
		}
		var got string
		got, err = read(tx, one, key)
		same(t, "get", got, want)
	case 5:
		modelScan(t, tx, model)
	}

	if err != nil {
		t.Fatal(err)
	}
}

func inside(key string, rng store.Range) bool {
	return key >= string(rng.From) && (len(rng.To) == 0 || key < string(rng.To))
}

func modelScan(t *rapid.T, r store.Reader, model map[string]string) {
	rng := modelRange.Draw(t, "range")
	type entry struct{ Key, Value string }
	var got, want []entry
	err := r.Scan(one, rng, func(key store.Key, value []byte) (bool, error) {
		got = append(got, entry{string(key), string(value)})
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range slices.Sorted(maps.Keys(model)) {
		if inside(key, rng) {
			want = append(want, entry{key, model[key]})
		}
	}
	if rng.Reverse {
		slices.Reverse(want)
	}
	same(t, "scan", got, want)
}
