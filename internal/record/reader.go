package record

import (
	"errors"
	"maps"
	"math"
	"slices"
)

// ErrMalformed reports that a record is not what a Writer writes.
var ErrMalformed = errors.New("the record is malformed")

// Reader reads one record. After something that is malformed every method returns the zero value, and
// End reports it. Null is the zero value of every kind.
type Reader struct {
	rest   string
	failed bool
}

// NewReader reads a text, of which the texts that it returns are parts.
func NewReader(text string) Reader { return Reader{rest: text} }

// End returns ErrMalformed unless the whole text was read, and was right.
func (r *Reader) End() error {
	if r.failed || r.rest != "" {
		return ErrMalformed
	}
	return nil
}

func (r *Reader) fail() { r.rest, r.failed = "", true }

// next reads the beginning of an item of the kind; ok is false when it is null.
func (r *Reader) next(major byte) (n uint64, ok bool) {
	head, rest, ok := readHead(r.rest)
	switch {
	case ok && head.major == major:
		r.rest = rest
		return head.n, true
	case ok && head.isNull():
		r.rest = rest
	default:
		r.fail()
	}
	return 0, false
}

// length reads the beginning of an item that is followed by as many bytes, or items, as it says.
func (r *Reader) length(major byte) (n int, ok bool) {
	long, ok := r.next(major)
	if long > uint64(len(r.rest)) { // an item has one byte at least
		r.fail()
		return 0, false
	}
	return int(long), ok
}

// Map reads the beginning of a map and returns how many members follow. Of each, the caller reads the key
// and one value.
func (r *Reader) Map() int {
	n, _ := r.length(majorMap)
	return n
}

// NoKey is the key of no member.
const NoKey = math.MaxUint64

// Key reads the key of a member. After something that is malformed it returns NoKey.
func (r *Reader) Key() uint64 {
	head, rest, ok := readHead(r.rest)
	if !ok || head.major != majorUint || head.n > math.MaxInt64 {
		r.fail()
		return NoKey
	}
	r.rest = rest
	return head.n
}

// Text reads a text.
func (r *Reader) Text() string {
	n, _ := r.length(majorText)
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}

// ByteString reads bytes, which are the caller's; null is nil.
func (r *Reader) ByteString() []byte {
	n, ok := r.length(majorBytes)
	if !ok {
		return nil
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return []byte(text)
}

// Uint reads a number.
func (r *Reader) Uint() uint64 {
	n, _ := r.next(majorUint)
	return n
}

// Int reads a number.
func (r *Reader) Int() int64 {
	head, rest, ok := readHead(r.rest)
	switch {
	case ok && head.n <= math.MaxInt64 && head.major == majorUint:
		r.rest = rest
		return int64(head.n)
	case ok && head.n <= math.MaxInt64 && head.major == majorNegative:
		r.rest = rest
		return -1 - int64(head.n)
	case ok && head.isNull():
		r.rest = rest
	default:
		r.fail()
	}
	return 0
}

// Bool reads true or false.
func (r *Reader) Bool() bool {
	n, ok := r.next(majorSimple)
	if ok && n != simpleTrue && n != simpleFalse && n != simpleNull {
		r.fail()
	}
	return n == simpleTrue
}

// IsNull reports whether null comes next, and reads it then.
func (r *Reader) IsNull() bool {
	head, rest, ok := readHead(r.rest)
	if !ok || !head.isNull() {
		return false
	}
	r.rest = rest
	return true
}

// Texts reads a list of texts; null is nil.
func Texts[S ~string](r *Reader) []S {
	n, ok := r.length(majorArray)
	if !ok {
		return nil
	}
	list := make([]S, n)
	for i := range list {
		list[i] = S(r.Text())
	}
	return list
}

// TextLists reads lists of texts by their names; null is nil.
func (r *Reader) TextLists() map[string][]string {
	n, ok := r.length(majorMap)
	if !ok {
		return nil
	}
	lists := make(map[string][]string, n)
	for range n {
		name := r.Text()
		lists[name] = Texts[string](r)
	}
	return lists
}

// Skip reads past an item.
func (r *Reader) Skip() {
	rest, ok := skipItem(r.rest, 0)
	if !ok {
		r.fail()
		return
	}
	r.rest = rest
}

func sortedNames(lists map[string][]string) []string { return slices.Sorted(maps.Keys(lists)) }
