package store

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"github.com/carillon-chat/carillon/internal/record"
)

// Table is typed access to the records under one id. A record is stored as a version byte and
// a CBOR map with integer keys. A record.Encoder writes that by itself and a record.Decoder reads it, texts and
// numbers are one item, and all others go by their tags.
type Table[V any] struct {
	ID   TableID
	Name string // for error messages
}

const recordVersion byte = 1

var encoding, _ = cbor.EncOptions{Sort: cbor.SortNone, TextMarshaler: cbor.TextMarshalerNone}.UserBufferEncMode()

// Strings are bytes that came in as UTF-8; checking again on each read costs and finds nothing.
var decoding, _ = cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()

// buffers are for records on their way to an engine, which copies them.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const keptBuffer = 64 << 10 // larger ones are left to the garbage collector

// encoded lends the stored form of the record that v points to, to use.
func encoded(v any, use func(value []byte) error) error {
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	b.WriteByte(recordVersion)

	var err error
	switch v := v.(type) {
	case record.Encoder:
		b.Write(v.AppendRecord(b.AvailableBuffer()))
	case *string:
		b.Write(record.AppendText(b.AvailableBuffer(), *v))
	case *uint64:
		b.Write(record.AppendUint(b.AvailableBuffer(), *v))
	default:
		err = encoding.MarshalToBuffer(v, b)
	}
	if err != nil {
		err = fmt.Errorf("encode record: %w", err)
	} else {
		err = use(b.Bytes())
	}

	if b.Cap() <= keptBuffer {
		buffers.Put(b)
	}
	return err
}

// EncodeRecord is the stored form of a record.
func EncodeRecord[V any](record V) (value []byte, err error) {
	err = encoded(&record, func(b []byte) error {
		value = bytes.Clone(b)
		return nil
	})
	return value, err
}

// DecodeRecord reads the stored form of a record into what v points to, a zero value.
func DecodeRecord(value []byte, v any) error {
	body, err := recordBody(value)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case record.Decoder:
		err = v.ReadRecord(string(body))
	case *string:
		r := record.NewReader(string(body))
		*v, err = r.Text(), r.End()
	case *uint64:
		r := record.NewReader(string(body))
		*v, err = r.Uint(), r.End()
	default:
		err = decoding.Unmarshal(body, v)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

// recordBody is a stored record without its version.
func recordBody(value []byte) ([]byte, error) {
	if len(value) == 0 {
		return nil, fmt.Errorf("%w: an empty record", ErrCorrupt)
	}
	if value[0] != recordVersion {
		return nil, fmt.Errorf("%w: a record has version %d", ErrNewer, value[0])
	}
	return value[1:], nil
}

// RewriteRecord returns the stored form of a record of any table but that of the events, with each text and
// byte string in it as f returns it.
func RewriteRecord(value []byte, f func(text []byte) []byte) ([]byte, error) {
	body, err := recordBody(value)
	if err != nil {
		return nil, err
	}
	rewritten, err := record.Rewrite([]byte{recordVersion}, body, f)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return rewritten, nil
}

// Get reads the record under the key; found reports whether there is one.
func (t Table[V]) Get(r Reader, key Key) (record V, found bool, err error) {
	value, err := r.Get(t.ID, key)
	if err != nil || value == nil {
		return record, false, t.failed(err)
	}
	if err := DecodeRecord(value, &record); err != nil {
		return record, false, t.failed(err)
	}
	return record, true, nil
}

// Lookup is the key as one of those of Reader.GetMany.
func (t Table[V]) Lookup(key Key) Lookup { return Lookup{Table: t.ID, Key: key} }

// Found reads the record of a lookup of this table after Reader.GetMany; found reports whether there is one.
func (t Table[V]) Found(l Lookup) (record V, found bool, err error) {
	if l.Value == nil {
		return record, false, nil
	}
	if err := DecodeRecord(l.Value, &record); err != nil {
		return record, false, t.failed(err)
	}
	return record, true, nil
}

// Decode reads the stored form of a record of this table.
func (t Table[V]) Decode(value []byte, record *V) error {
	*record = *new(V)
	return t.failed(DecodeRecord(value, record))
}

// Has reports whether there is a record under the key.
func (t Table[V]) Has(r Reader, key Key) (bool, error) {
	value, err := r.Get(t.ID, key)
	return value != nil, t.failed(err)
}

// HasPrefix reports whether there is a record whose key begins with the columns of prefix.
func (t Table[V]) HasPrefix(r Reader, prefix Key) (has bool, err error) {
	err = t.Each(r, Prefix(prefix), func(Key, V) (bool, error) {
		has = true
		return false, nil
	})
	return has, err
}

// Put writes the record under the key.
func (t Table[V]) Put(tx Tx, key Key, record V) error {
	return t.failed(encoded(&record, func(value []byte) error { return tx.Put(t.ID, key, value) }))
}

// Delete removes the record under the key, if there is one.
func (t Table[V]) Delete(tx Tx, key Key) error { return t.failed(tx.Delete(t.ID, key)) }

// DeletePrefix removes every record whose key begins with the columns of prefix.
func (t Table[V]) DeletePrefix(tx Tx, prefix Key) error {
	return t.failed(tx.DeleteRange(t.ID, Prefix(prefix)))
}

// Each calls f for each record of the range, in order, until f returns false or an error,
// which is returned as it is.
func (t Table[V]) Each(r Reader, rng Range, f func(key Key, record V) (more bool, err error)) error {
	var own error
	var record V // one for all: f gets a copy
	err := r.Scan(t.ID, rng, func(key Key, value []byte) (more bool, err error) {
		record = *new(V)
		if err := DecodeRecord(value, &record); err != nil {
			return false, err
		}
		more, own = f(key, record)
		return more, own
	})
	if own != nil {
		return own
	}
	return t.failed(err)
}

func (t Table[V]) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", t.Name, err)
}
