package store

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

type fieldsRecord struct {
	Text    string              `cbor:"1,keyasint"`
	Yes     bool                `cbor:"2,keyasint"`
	Number  int64               `cbor:"3,keyasint"`
	Bytes   []byte              `cbor:"4,keyasint"`
	Lists   map[string][]string `cbor:"5,keyasint"`
	Inner   *fieldsRecord       `cbor:"6,keyasint"`
	Float   float64             `cbor:"7,keyasint"`
	Far     string              `cbor:"300,keyasint"`
	Omitted string              `cbor:"301,keyasint,omitempty"`
}

func list(record []byte) (string, error) {
	var all []string
	err := Fields(record, func(key uint64, m Field) {
		all = append(all, fmt.Sprintf("%d:%q:%d:%t", key, m.Text, m.Number, m.True))
	})
	return strings.Join(all, " "), err
}

func TestFields(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for _, r := range []fieldsRecord{
		{},
		{Text: "text", Yes: true, Number: -5, Bytes: []byte("bytes"), Float: math.Pi, Far: "far"},
		{Text: long, Number: math.MaxInt64, Lists: map[string][]string{"a": {"b", long}, "c": nil}, Far: strings.Repeat("y", 300)},
		{Inner: &fieldsRecord{Text: "inner", Yes: true, Inner: &fieldsRecord{Lists: map[string][]string{"": {}}}}},
	} {
		record, err := EncodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`1:%q:0:false 2:"":0:%t 3:"":%d:false 4:"":0:false 5:"":0:false 6:"":0:false 7:"":0:false 300:%q:0:false`,
			r.Text, r.Yes, max(r.Number, 0), r.Far)
		if got, err := list(record); err != nil || got != want {
			t.Errorf("got %.200s %v, want %.200s", got, err, want)
		}
		for n := range min(len(record), 200) { // of a record that was cut
			if _, err := list(record[:n]); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("the first %d bytes: %v", n, err)
			}
		}
	}
	if _, err := list([]byte{recordVersion + 1, 0xA0}); !errors.Is(err, ErrNewer) {
		t.Errorf("a record of a newer version: %v", err)
	}
}

// Whatever lies on the disk, reading it ends, and never outside of it.
func FuzzFields(f *testing.F) {
	for _, r := range []fieldsRecord{{}, {Text: "text", Bytes: []byte{1}, Lists: map[string][]string{"a": {"b"}}, Inner: &fieldsRecord{}}} {
		record, _ := EncodeRecord(r)
		f.Add(record)
	}
	f.Add([]byte{recordVersion, 0xBB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0x9B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Add(append([]byte{recordVersion, 0xA1, 0x01}, bytes.Repeat([]byte{0x81}, 1000)...))
	f.Fuzz(func(t *testing.T, record []byte) {
		size := 0
		Fields(record, func(_ uint64, m Field) { size += len(m.Text) })
		if size > len(record) {
			t.Errorf("%d bytes of text in %d", size, len(record))
		}
	})
}
