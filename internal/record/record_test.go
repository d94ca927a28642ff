package record

import (
	"math"
	"strings"
	"testing"
)

// Lengths and numbers come back on both sides of where their first byte changes.
func TestSizes(t *testing.T) {
	for _, n := range []int{0, 1, 23, 24, 255, 256, math.MaxUint16, math.MaxUint16 + 1} {
		w := NewWriter(nil)
		w.Text(1, strings.Repeat("x", n))
		w.ByteString(2, make([]byte, n))
		OptionalTexts(&w, 3, make([]string, n))
		r := NewReader(string(w.Bytes()))
		for range r.Map() {
			got := -1
			switch r.Key() {
			case 1:
				got = len(r.Text())
			case 2:
				got = len(r.ByteString())
			case 3:
				got = len(Texts[string](&r))
			}
			if got != n {
				t.Errorf("%d came back as %d", n, got)
			}
		}
		if err := r.End(); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}

	for _, n := range []int64{0, 23, 24, 255, 256, math.MaxUint16 + 1, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64} {
		w := NewWriter(nil)
		w.Int(1, n)
		w.Int(24, -1-n)
		w.Uint(256, uint64(n)*2)
		r := NewReader(string(w.Bytes()))
		if r.Map() != 3 || r.Key() != 1 || r.Int() != n || r.Key() != 24 || r.Int() != -1-n || r.Key() != 256 || r.Uint() != uint64(n)*2 || r.End() != nil {
			t.Errorf("%d did not come back", n)
		}
	}
}

// After damage everything that is read is zero, and nothing is allocated for what is not there.
func TestReaderStopsAtDamage(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":            "",
		"no map":             "\x01",
		"more members":       "\xA2\x01\x01",
		"a long map":         "\xBB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x01",
		"a long list":        "\xA1\x01\x9B\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
		"a long text":        "\xA1\x01\x7A\xFF\xFF\xFF\xFF",
		"no length":          "\xBF\x01\x01\xFF",
		"a text as its key":  "\xA1\x61x\x01",
		"a text as a number": "\xA1\x01\x61x",
		"a wide null":        "\xA1\x01\xF8\x16",
		"a float":            "\xA1\x01\xF9\x00\x16",
		"a cut number":       "\xA1\x01\x19\x01",
		"more behind it":     "\xA1\x01\x01\x01",
		"too many levels":    "\xA1\x02" + strings.Repeat("\x81", 2*maxDepth) + "\x01",
	} {
		r := NewReader(text)
		for range r.Map() {
			switch r.Key() {
			case 1:
				switch name {
				case "a long list":
					if list := Texts[string](&r); list != nil {
						t.Errorf("%s: %d texts", name, len(list))
					}
				case "a long text":
					if s := r.Text(); s != "" {
						t.Errorf("%s: %q", name, s)
					}
				default:
					r.Int()
				}
			default:
				r.Skip()
			}
		}
		if r.End() == nil {
			t.Errorf("%s was read", name)
		}
		if r.Text() != "" || r.Uint() != 0 || r.Int() != 0 || r.Bool() || r.ByteString() != nil || r.TextLists() != nil || r.Key() != NoKey {
			t.Errorf("%s: something was read after it", name)
		}
	}
}

// A map with more members than its first byte counts would be written wrong.
func TestTooManyMembers(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("24 members were written")
		}
	}()
	w := NewWriter(nil)
	for key := range uint64(24) {
		w.Uint(key, 0)
	}
}
