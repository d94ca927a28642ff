// Package record writes and reads stored records without reflection: CBOR maps (RFC 8949) with small
// integer keys, byte for byte as the encoder of package store writes them by the tags of a struct.
//
// A type that is read or written often has the methods of Encoder and Decoder beside its tags, and a test
// compares them with the tags. Reading takes one copy of the record as a string, and every text of it is a
// part of that string: a record that is kept for long holds on to all of them.
package record

// Encoder is a type that writes its own stored form, which is one CBOR item.
type Encoder interface {
	// AppendRecord appends the stored form to b.
	AppendRecord(b []byte) []byte
}

// Decoder is a type that reads a stored form.
type Decoder interface {
	// ReadRecord reads the stored form into a zero value. Members that it does not know are skipped. Its
	// error is ErrMalformed.
	ReadRecord(text string) error
}

// The parts of CBOR (RFC 8949, section 3) that records consist of.
const (
	majorUint     = 0
	majorNegative = 1
	majorBytes    = 2
	majorText     = 3
	majorArray    = 4
	majorMap      = 5
	majorTag      = 6
	majorSimple   = 7 // in one byte
	majorFloat    = 8 // stands for those of major 7 that have more bytes

	simpleFalse = 20
	simpleTrue  = 21
	simpleNull  = 22

	// maxShort is the largest number that is part of the first byte of an item.
	maxShort = 23
	maxDepth = 30 // of items that are skipped
)
