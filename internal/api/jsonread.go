package api

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// JSONReader reads the JSON body of a request for the generated decoders.
//
// It keeps the first fault and does nothing after it, so that decoders are a
// plain list of members. JSON null reads as absent. Unknown members are
// skipped. A member that comes twice in one object, at any depth, is refused,
// for another reader might believe the first; so are invalid UTF-8 and data
// after the object. A surrogate that stands alone, as text has it that was cut
// through an emoji, reads as U+FFFD: a JSON text may hold it, and SDKs in
// other languages send U+FFFD themselves. An empty body reads as an empty
// object (spec 10.1).
type JSONReader struct {
	dec     jsontext.Decoder
	buf     bytes.Buffer // the decoder reads a bytes.Buffer without copying it
	scratch []byte       // for names and enums with escapes
	name    []byte       // current member name; valid until the value is read
	err     *Invalid
	empty   bool // no body at all
	clean   bool // the body is valid UTF-8
}

// maxScratch is what a pooled reader may keep.
const maxScratch = 64 << 10

var readers = sync.Pool{New: func() any { return new(JSONReader) }}

// lenient lets the decoder pass over surrogates that stand alone, and with
// them over invalid UTF-8, which the reader refuses by itself, by the name of
// the member.
var lenient = jsontext.AllowInvalidUTF8(true)

// ReadJSON starts reading body, which must not change until Close.
func ReadJSON(body []byte) *JSONReader {
	r := readers.Get().(*JSONReader)
	r.buf = *bytes.NewBuffer(body)
	r.dec.Reset(&r.buf, lenient)
	r.clean = utf8.Valid(body)
	r.empty = len(bytes.TrimLeft(body, " \t\r\n")) == 0
	return r
}

// Close checks that nothing follows the object, gives the reader back, and
// returns the first fault.
func (r *JSONReader) Close() *Invalid {
	if r.err == nil && !r.empty {
		if _, err := r.dec.ReadToken(); err == nil {
			r.err = invalid("the request body has data after the JSON object")
		} else if !errors.Is(err, io.EOF) {
			r.syntax(err)
		}
	}
	err := r.err
	r.name, r.err = nil, nil
	if cap(r.scratch) <= maxScratch {
		readers.Put(r)
	}
	return err
}

// Object starts an object. It is false when there is none to read: null, no
// body, or a fault.
func (r *JSONReader) Object() bool {
	return !r.empty && r.open(jsontext.KindBeginObject, "must be a JSON object")
}

// Array starts an array; false as for Object.
func (r *JSONReader) Array() bool { return r.open(jsontext.KindBeginArray, "must be a list") }

func (r *JSONReader) open(kind jsontext.Kind, reason string) bool {
	if r.err != nil {
		return false
	}
	switch r.dec.PeekKind() {
	case kind:
		if _, err := r.dec.ReadToken(); err != nil {
			r.syntax(err)
		}
		return r.err == nil
	case jsontext.KindNull:
		if r.dec.StackDepth() > 0 && !r.inArray() {
			r.Skip()
			return false
		}
	}
	r.value()
	r.fail(reason)
	return false
}

// Member moves to the next member of the object; false at its end.
func (r *JSONReader) Member() bool {
	if r.err != nil {
		return false
	}
	if r.dec.PeekKind() == jsontext.KindEndObject {
		return r.end()
	}
	raw := r.value()
	if r.err != nil {
		return false
	}
	r.name = r.unquote(raw)
	return true
}

// Name is the current member's name, valid until the next call of r.
func (r *JSONReader) Name() []byte { return r.name }

// Element moves to the next element of the array; false at its end.
func (r *JSONReader) Element() bool {
	if r.err != nil {
		return false
	}
	if r.dec.PeekKind() == jsontext.KindEndArray {
		return r.end()
	}
	return true
}

func (r *JSONReader) end() bool {
	if _, err := r.dec.ReadToken(); err != nil {
		r.syntax(err)
	}
	return false
}

// Skip passes over the current value.
func (r *JSONReader) Skip() {
	if r.err != nil {
		return
	}
	if r.clean {
		if err := r.dec.SkipValue(); err != nil {
			r.syntax(err)
		}
		return
	}
	r.value()
}

// String reads a string; empty when null.
func (r *JSONReader) String() string {
	s, _ := r.text()
	return s
}

// OptionalString reads a string; nil when null.
func (r *JSONReader) OptionalString() *string {
	if s, ok := r.text(); ok {
		return &s
	}
	return nil
}

func (r *JSONReader) text() (string, bool) {
	raw, ok := r.scalar('"', "must be a string")
	if !ok {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	return string(r.unquote(raw)), true
}

// Enum reads the value of an enumeration, valid until the next call of r;
// empty when null. An empty string is no value of any enumeration.
func (r *JSONReader) Enum() []byte {
	raw, ok := r.scalar('"', "must be a string")
	if !ok {
		return nil
	}
	v := r.unquote(raw)
	if len(v) == 0 {
		r.fail("must not be an empty string")
	}
	return v
}

// Int reads an integer; 0 when null.
func (r *JSONReader) Int() int {
	if n := r.OptionalInt(); n != nil {
		return *n
	}
	return 0
}

// OptionalInt reads an integer; nil when null.
func (r *JSONReader) OptionalInt() *int {
	raw, ok := r.scalar('0', "must be an integer")
	if !ok {
		return nil
	}
	n, ok := parseInt(string(raw))
	if !ok {
		r.fail("must be an integer")
		return nil
	}
	return &n
}

// Bool reads a boolean; false when null.
func (r *JSONReader) Bool() bool {
	if r.err != nil {
		return false
	}
	switch raw := r.value(); jsontext.Value(raw).Kind() {
	case jsontext.KindTrue:
		return true
	case jsontext.KindFalse:
	case jsontext.KindNull:
		r.refuseNullElement("must be true or false")
	default:
		r.fail("must be true or false")
	}
	return false
}

// OptionalTime reads a number of seconds since 1970; nil when null.
func (r *JSONReader) OptionalTime() *time.Time {
	raw, ok := r.scalar('0', "must be a number of seconds since 1970")
	if !ok {
		return nil
	}
	t, ok := ParseTime(string(raw))
	if !ok {
		r.fail("must be a number of seconds since 1970")
		return nil
	}
	return &t
}

// scalar reads a value of one kind; false when null or at a fault.
func (r *JSONReader) scalar(kind jsontext.Kind, reason string) ([]byte, bool) {
	if r.err != nil {
		return nil, false
	}
	raw := r.value()
	if r.err != nil {
		return nil, false
	}
	switch jsontext.Value(raw).Kind() {
	case kind:
		return raw, true
	case jsontext.KindNull:
		r.refuseNullElement(reason)
	default:
		r.fail(reason)
	}
	return nil, false
}

// refuseNullElement reports a null in a list: absent members mean something,
// absent elements do not.
func (r *JSONReader) refuseNullElement(reason string) {
	if r.err == nil && r.inArray() {
		r.fail(reason)
	}
}

func (r *JSONReader) inArray() bool {
	kind, _ := r.dec.StackIndex(r.dec.StackDepth())
	return kind == jsontext.KindBeginArray
}

// value reads the next raw value.
func (r *JSONReader) value() []byte {
	raw, err := r.dec.ReadValue()
	if err != nil {
		r.syntax(err)
	} else if !r.clean && !utf8.Valid(raw) {
		r.fail("must be valid UTF-8")
	}
	return raw
}

// unquote gives the text of a JSON string without allocating; valid until the
// next call of r.
func (r *JSONReader) unquote(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	// The decoder has read the value, so it is a string: what may be wrong is a surrogate, and that
	// has become U+FFFD.
	r.scratch, _ = jsontext.AppendUnquote(r.scratch[:0], raw)
	return r.scratch
}
