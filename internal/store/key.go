package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// Key is an ordered tuple of strings and whole numbers, encoded so that keys sort as bytes as
// their columns sort one after another. Columns can be read back, so that an engine with real
// columns can take them apart.
//
// A string column is 0x02, its bytes with each 0x00 written as 0x00 0xFF, then 0x00 0x01.
// A number column is 0x03 and eight bytes, the highest first.
type Key []byte

const (
	tagString byte = 0x02
	tagNumber byte = 0x03
)

// moreColumns is room for the columns that most keys get after K: an id of a message, or some numbers.
const moreColumns = 72

// K is a key of string columns.
func K(columns ...string) Key {
	n := 0
	for _, c := range columns {
		n += len(c) + 3
	}
	k := make(Key, 0, n+moreColumns)
	for _, c := range columns {
		k = k.Str(c)
	}
	return k
}

// Str is the key with one more string column.
func (k Key) Str(s string) Key {
	k = append(k, tagString)
	for i := strings.IndexByte(s, 0); i >= 0; i = strings.IndexByte(s, 0) {
		k = append(append(k, s[:i+1]...), 0xFF)
		s = s[i+1:]
	}
	return append(append(k, s...), 0x00, 0x01)
}

// Num is the key with one more number column.
func (k Key) Num(n uint64) Key { return binary.BigEndian.AppendUint64(append(k, tagNumber), n) }

// Columns takes the key apart: each column is a string or a uint64.
func (k Key) Columns() ([]any, error) {
	var columns []any
	for rest := []byte(k); len(rest) > 0; {
		var err error
		var column any
		if column, rest, err = nextColumn(rest); err != nil {
			return nil, err
		}
		columns = append(columns, column)
	}
	return columns, nil
}

// App is the first column of the key, which names the app instance in the tables that app instances
// have. It is empty in an empty key, and when it is a number.
func (k Key) App() (string, error) {
	if len(k) == 0 {
		return "", nil
	}
	column, _, err := nextColumn(k)
	app, _ := column.(string)
	return app, err
}

// First is the part of the key with its first columns; ok is false when it has not so many. Only columns
// that are strings count.
func (k Key) First(columns int) (prefix Key, ok bool) {
	at := 0
	for ; columns > 0; columns-- {
		if at >= len(k) || k[at] != tagString {
			return nil, false
		}
		for at++; ; at += 2 {
			end := bytes.IndexByte(k[at:], 0)
			if end < 0 || at+end+1 >= len(k) {
				return nil, false
			}
			if at += end; k[at+1] == 0x01 {
				at += 2
				break
			}
		}
	}
	return k[:at], true
}

// LastNumber is the last column of the key, zero when that is a string.
func (k Key) LastNumber() (uint64, error) {
	columns, err := k.Columns()
	if err != nil || len(columns) == 0 {
		return 0, err
	}
	n, _ := columns[len(columns)-1].(uint64)
	return n, nil
}

func nextColumn(b []byte) (column any, rest []byte, err error) {
	switch {
	case b[0] == tagNumber && len(b) >= 9:
		return binary.BigEndian.Uint64(b[1:9]), b[9:], nil
	case b[0] == tagString:
		var s []byte
		for b = b[1:]; ; {
			i := bytes.IndexByte(b, 0)
			if i < 0 || i+1 >= len(b) {
				break
			}
			s = append(s, b[:i]...)
			if b[i+1] == 0x01 {
				return string(s), b[i+2:], nil
			}
			if b[i+1] != 0xFF {
				break
			}
			s, b = append(s, 0), b[i+2:]
		}
	}
	return nil, nil, fmt.Errorf("%w: a key is not a tuple", ErrCorrupt)
}

// successor is the first key after all keys that begin with k: the tag bytes of columns are
// far below 0xFF.
func (k Key) successor() Key {
	return append(append(make(Key, 0, len(k)+1), k...), 0xFF)
}

// after is the first key greater than k.
func (k Key) after() Key { return append(append(make(Key, 0, len(k)+1), k...), 0x00) }
