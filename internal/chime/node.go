package chime

// Node is a process of the server among those that share a store. Its row is written again all the time
// while it lives, so that others see by a row that stays the same that it does not.
type Node struct {
	// Start is the number of the start of the process: later starts, of any node, have greater ones.
	Start      uint64 `cbor:"1,keyasint"`
	Renewals   uint64 `cbor:"2,keyasint"`
	Lease      Millis `cbor:"3,keyasint"` // how long the row is the same before the node counts as gone
	PublicHost string `cbor:"4,keyasint"`
	Version    string `cbor:"5,keyasint,omitempty"`
	Load       uint64 `cbor:"6,keyasint,omitempty"` // WebSockets
	Draining   bool   `cbor:"7,keyasint,omitempty"` // it takes no new clients
	Started    Millis `cbor:"8,keyasint,omitempty"`
}
