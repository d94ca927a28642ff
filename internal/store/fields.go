package store

import (
	"encoding/binary"
	"fmt"
)

// Field is a member of a stored record: its text, its number when that is not negative, and whether it
// is true. What the member is not is the zero value.
type Field struct {
	Text   []byte // only valid during the call
	Number uint64
	True   bool
}

// Fields calls f for the members of a stored record, by their keys, without decoding the record. It
// is for readers that need little of many records, without the cost of decoding them.
func Fields(record []byte, f func(key uint64, member Field)) error {
	if len(record) == 0 || record[0] != recordVersion {
		return DecodeRecord(record, new(struct{})) // for its error
	}

	// A record is a map of small numbers to values.
	rest := record[1:]
	head, rest, ok := readHead(rest)
	if !ok || head.major != majorMap {
		return fmt.Errorf("%w: a record is no map", ErrCorrupt)
	}

	// A value is only read where its kind is one that callers look at; all others are skipped.
	for range head.n {
		var key, value itemHead
		var text []byte
		if key, rest, ok = readHead(rest); !ok || key.major != majorUint {
			return fmt.Errorf("%w: the key of a record's member", ErrCorrupt)
		}
		if value, text, ok = readHead(rest); !ok {
			return fmt.Errorf("%w: a member of a record", ErrCorrupt)
		}
		after, ok := skipItem(rest, 0)
		if !ok {
			return fmt.Errorf("%w: a member of a record", ErrCorrupt)
		}
		rest = after

		var member Field
		switch value.major {
		case majorText:
			member.Text = text[:value.n]
		case majorUint:
			member.Number = value.n
		case majorSimple:
			member.True = value.n == simpleTrue
		}
		f(key.n, member)
	}
	return nil
}

// The parts of CBOR (RFC 8949, section 3) that records consist of.
const (
	majorUint   = 0
	majorBytes  = 2
	majorText   = 3
	majorArray  = 4
	majorMap    = 5
	majorTag    = 6
	majorSimple = 7

	simpleTrue   = 21
	maxItemDepth = 32
)

// itemHead is the beginning of a CBOR item: its type, and its value or length.
type itemHead struct {
	major byte
	n     uint64
}

func readHead(b []byte) (head itemHead, rest []byte, ok bool) {
	if len(b) == 0 {
		return head, nil, false
	}
	head.major, head.n = b[0]>>5, uint64(b[0]&0x1F)
	b = b[1:]
	if head.n < 24 {
		return head, b, true
	}

	size := 1 << (head.n - 24) // 1, 2, 4 or 8 bytes follow
	if head.n > 27 || len(b) < size {
		return head, nil, false
	}
	var wide [8]byte
	copy(wide[8-size:], b)
	head.n = binary.BigEndian.Uint64(wide[:])
	return head, b[size:], true
}

// skipItem is what follows the item that b begins with.
func skipItem(b []byte, depth int) (rest []byte, ok bool) {
	head, rest, ok := readHead(b)
	if !ok || depth > maxItemDepth {
		return nil, false
	}

	// How much follows depends on the kind; items within it are skipped one by one.
	items := uint64(0)
	switch head.major {
	case majorBytes, majorText:
		if head.n > uint64(len(rest)) {
			return nil, false
		}
		return rest[head.n:], true
	case majorArray:
		items = head.n
	case majorMap:
		if head.n > uint64(len(rest)) { // also keeps the product in range
			return nil, false
		}
		items = 2 * head.n
	case majorTag:
		items = 1
	}

	for ; items > 0; items-- {
		if rest, ok = skipItem(rest, depth+1); !ok {
			return nil, false
		}
	}
	return rest, true
}
