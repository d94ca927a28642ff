package store

import (
	"bytes"
	"cmp"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

var column = rapid.OneOf(
	rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "s") }),
	rapid.Custom(func(t *rapid.T) any {
		return string(rapid.SliceOf(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xFF})).Draw(t, "b"))
	}),
	rapid.Custom(func(t *rapid.T) any { return rapid.Uint64().Draw(t, "n") }),
)

func keyOf(columns []any) (k Key) {
	for _, c := range columns {
		switch c := c.(type) {
		case string:
			k = k.Str(c)
		case uint64:
			k = k.Num(c)
		}
	}
	return k
}

func compareColumns(a, b []any) int {
	for i := range min(len(a), len(b)) {
		sa, aString := a[i].(string)
		sb, bString := b[i].(string)
		order := 0
		switch {
		case aString && bString:
			order = cmp.Compare(sa, sb)
		case aString != bString: // strings before numbers
			order = map[bool]int{true: -1, false: 1}[aString]
		default:
			order = cmp.Compare(a[i].(uint64), b[i].(uint64))
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(len(a), len(b))
}

func TestKeysSortAndComeApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOfN(column, 0, 4).Draw(t, "a"), rapid.SliceOfN(column, 0, 4).Draw(t, "b")
		ka, kb := keyOf(a), keyOf(b)
		if got, want := bytes.Compare(ka, kb), compareColumns(a, b); got != want {
			t.Fatalf("%q and %q compare as %d, their columns as %d", ka, kb, got, want)
		}
		back, err := ka.Columns()
		if err != nil || len(a) > 0 && !reflect.DeepEqual(back, a) {
			t.Fatalf("%q came apart into %q, %v", ka, back, err)
		}
		inside := len(b) >= len(a) && compareColumns(a, b[:len(a)]) == 0
		rng := Prefix(ka)
		if got := bytes.Compare(kb, rng.From) >= 0 && bytes.Compare(kb, rng.To) < 0; got != inside {
			t.Fatalf("%q inside the prefix %q: %t", kb, ka, got)
		}
	})
}

func FuzzColumns(f *testing.F) {
	f.Add([]byte(K("a", "\x00").Num(1)))
	f.Add([]byte{tagString, 0, 2})
	f.Add([]byte{tagNumber, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		columns, err := Key(raw).Columns()
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		if back := keyOf(columns); !bytes.Equal(back, raw) {
			t.Errorf("%q came apart into %q, together again %q", raw, columns, back)
		}
	})
}

func TestKeyAllocations(t *testing.T) {
	app, channel, id := "app", "channel", "message"
	if n := testing.AllocsPerRun(100, func() { _ = K(app, channel, id).Num(7) }); n > 1 {
		t.Errorf("a key takes %v allocations", n)
	}
}

func BenchmarkKey(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		_ = K("8d0d0f0e-0000-4000-8000-000000000000", "8d0d0f0e-0000-4000-8000-000000000001").Num(7)
	}
}
