package record

import (
	"bytes"
	"errors"
	"testing"
)

// Every text is replaced, whatever its length becomes, and all else stays as it was.
func TestRewrite(t *testing.T) {
	long := bytes.Repeat([]byte("y"), 300)
	write := func(text, other string) []byte {
		w := NewWriter(nil)
		w.Text(1, text)
		w.Int(2, -70000)
		w.ByteString(3, []byte(text))
		OptionalTexts(&w, 4, []string{other, text})
		w.OptionalTextLists(5, map[string][]string{"a": {text}, "b": nil})
		w.OptionalBool(6, true)
		return w.Bytes()
	}
	got, err := Rewrite(nil, write("x", "other"), func(text []byte) []byte {
		if string(text) == "x" {
			return long
		}
		return text
	})
	if want := write(string(long), "other"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v\nwant %x", got, err, want)
	}
	for _, damaged := range []string{"", "\xA1\x01", "\xA1\x01\x65x", "\xBB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x01", "\x01\x01"} {
		if _, err := Rewrite(nil, []byte(damaged), func(text []byte) []byte { return text }); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", damaged, err)
		}
	}
}
