package chime

// The records of what works off the log and the tasks. They follow the rules of record.go.

// Lease says which node does a piece of work. A node that takes it raises Fence, and every later write
// of a former holder is refused by that number. Former versions wrote renewals as 3.
type Lease struct {
	Holder string `cbor:"1,keyasint,omitempty"` // name of the node, empty while the lease is free
	Fence  uint64 `cbor:"2,keyasint"`
}

// Following is how far a follower has come in the log of an app instance.
type Following struct {
	Position uint64 `cbor:"1,keyasint"` // of the latest event that needs no more work
	Lease    Lease  `cbor:"2,keyasint"`
	Lost     uint64 `cbor:"3,keyasint,omitempty"` // events that were trimmed before they were handled
}

// DeadLetter is an event that a follower could not handle. It names the event and holds nothing of its
// content.
type DeadLetter struct {
	Follower  string `cbor:"1,keyasint"`
	Position  uint64 `cbor:"2,keyasint"`
	Kind      string `cbor:"3,keyasint"`
	Topic     Topic  `cbor:"4,keyasint"`
	Attempts  int    `cbor:"5,keyasint"`
	LastError string `cbor:"6,keyasint"`
	Time      Millis `cbor:"7,keyasint"` // of the latest attempt
}

// Pushing is how far the notifications are pushed that a follower was handed.
type Pushing struct {
	// Position is that of the event whose members are looked through: of earlier events all were. Next is where
	// to go on, nil when all of its members were looked through as well.
	Position uint64 `cbor:"1,keyasint"`
	Next     []byte `cbor:"2,keyasint,omitempty"`
	// Left are the devices before there that are to be tried again.
	Left []PushLeft `cbor:"3,keyasint,omitempty"`
}

// PushLeft is a device that is to be tried again.
type PushLeft struct {
	Position uint64 `cbor:"1,keyasint"` // of the event
	Ref      Ref    `cbor:"2,keyasint"`
	Endpoint string `cbor:"3,keyasint"` // its id
	Attempts int    `cbor:"4,keyasint"` // that the device failed
}
