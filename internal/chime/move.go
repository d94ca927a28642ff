package chime

// Move is how far the copy of an app instance, or of the account, from another store has come. The account's is there until
// the whole copy is found to be the same as its source.
type Move struct {
	// Source is the fingerprint of all that the source has; the account's record alone has it.
	Source []byte `cbor:"1,keyasint,omitempty"`
	// Step is the number of the table that is copied, as the program that moves counts them, and Next the key to go on from.
	Step     uint64 `cbor:"2,keyasint,omitempty"`
	Next     []byte `cbor:"3,keyasint,omitempty"`
	Rows     uint64 `cbor:"4,keyasint,omitempty"` // that were copied
	Done     bool   `cbor:"5,keyasint,omitempty"` // the app instance is complete
	Verified bool   `cbor:"6,keyasint,omitempty"` // all is the same as in the source; the account's record alone
}
