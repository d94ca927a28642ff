package record

import (
	"encoding/binary"
	"math"
)

// Writer appends one map. Its members are written in the order of the calls; those of the Optional
// methods are left out when they are zero.
type Writer struct {
	b     []byte
	start int // of the map, whose first byte counts the members
}

// NewWriter begins a map at the end of b.
func NewWriter(b []byte) Writer {
	return Writer{append(b, majorMap<<5), len(b)}
}

// Bytes returns what was appended to, with the whole map.
func (w *Writer) Bytes() []byte { return w.b }

// key begins a member. No record has more than 23.
func (w *Writer) key(key uint64) {
	if w.b[w.start] == majorMap<<5|maxShort {
		panic("record: a map has more than 23 members")
	}
	w.b[w.start]++
	w.b = appendHead(w.b, majorUint, key)
}

// Text writes a text.
func (w *Writer) Text(key uint64, s string) {
	w.key(key)
	w.b = AppendText(w.b, s)
}

// OptionalText writes a text that is not empty.
func (w *Writer) OptionalText(key uint64, s string) {
	if s != "" {
		w.Text(key, s)
	}
}

// ByteString writes bytes; nil is null.
func (w *Writer) ByteString(key uint64, s []byte) {
	w.key(key)
	if s == nil {
		w.b = append(w.b, majorSimple<<5|simpleNull)
		return
	}
	w.b = append(appendHead(w.b, majorBytes, uint64(len(s))), s...)
}

// OptionalByteString writes bytes that are not empty.
func (w *Writer) OptionalByteString(key uint64, s []byte) {
	if len(s) > 0 {
		w.ByteString(key, s)
	}
}

// Uint writes a number.
func (w *Writer) Uint(key, n uint64) {
	w.key(key)
	w.b = AppendUint(w.b, n)
}

// OptionalUint writes a number that is not zero.
func (w *Writer) OptionalUint(key, n uint64) {
	if n != 0 {
		w.Uint(key, n)
	}
}

// Int writes a number.
func (w *Writer) Int(key uint64, n int64) {
	w.key(key)
	if n < 0 {
		w.b = appendHead(w.b, majorNegative, uint64(-1-n))
		return
	}
	w.b = AppendUint(w.b, uint64(n))
}

// OptionalInt writes a number that is not zero.
func (w *Writer) OptionalInt(key uint64, n int64) {
	if n != 0 {
		w.Int(key, n)
	}
}

// OptionalBool writes true, and leaves out false.
func (w *Writer) OptionalBool(key uint64, v bool) {
	if v {
		w.key(key)
		w.b = append(w.b, majorSimple<<5|simpleTrue)
	}
}

// Record writes a record within the record.
func (w *Writer) Record(key uint64, r Encoder) {
	w.key(key)
	w.b = r.AppendRecord(w.b)
}

// OptionalTexts writes a list of texts that is not empty.
func OptionalTexts[S ~string](w *Writer, key uint64, list []S) {
	if len(list) == 0 {
		return
	}
	w.key(key)
	w.b = appendTexts(w.b, list)
}

// OptionalTextLists writes lists of texts by their names, in the order of names, unless there are none. A
// nil list is null.
func (w *Writer) OptionalTextLists(key uint64, lists map[string][]string) {
	if len(lists) == 0 {
		return
	}
	w.key(key)
	w.b = appendHead(w.b, majorMap, uint64(len(lists)))

	for _, name := range sortedNames(lists) {
		w.b = AppendText(w.b, name)
		if lists[name] == nil {
			w.b = append(w.b, majorSimple<<5|simpleNull)
			continue
		}
		w.b = appendTexts(w.b, lists[name])
	}
}

func appendTexts[S ~string](b []byte, list []S) []byte {
	b = appendHead(b, majorArray, uint64(len(list)))
	for _, s := range list {
		b = AppendText(b, string(s))
	}
	return b
}

// AppendText appends a text that is a record of its own.
func AppendText(b []byte, s string) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

// AppendUint appends a number that is a record of its own.
func AppendUint(b []byte, n uint64) []byte { return appendHead(b, majorUint, n) }

// appendHead appends the beginning of an item in its shortest form.
func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n <= maxShort:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return append(b, major|25, byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}
