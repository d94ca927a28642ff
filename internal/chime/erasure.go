package chime

// Erasure is the removal of a person from an app instance, under way or completed. It follows the rules of
// record.go.
type Erasure struct {
	ID string `cbor:"1,keyasint"`
	// User is the id of the user, empty when nothing in the store names it any more.
	User      string      `cbor:"2,keyasint,omitempty"`
	Delete    bool        `cbor:"3,keyasint,omitempty"` // messages are deleted, else redacted
	Created   Millis      `cbor:"4,keyasint"`
	Completed Millis      `cbor:"5,keyasint,omitempty"` // zero while it is under way
	Step      ErasureStep `cbor:"6,keyasint,omitempty"`

	// How far the step has come: the table and the key behind which it goes on, and the id of the channel
	// or the position of the log where it has one.
	Table    TableNumber `cbor:"7,keyasint,omitempty"`
	At       []byte      `cbor:"8,keyasint,omitempty"`
	Channel  string      `cbor:"9,keyasint,omitempty"`
	Position uint64      `cbor:"10,keyasint,omitempty"`
	// UpTo is the position of the log up to which events may name the user.
	UpTo uint64 `cbor:"11,keyasint,omitempty"`

	// What was changed.
	Messages uint64 `cbor:"12,keyasint,omitempty"` // of the user
	Records  uint64 `cbor:"13,keyasint,omitempty"`
	Events   uint64 `cbor:"14,keyasint,omitempty"`
}

// TableNumber is a store.TableID.
type TableNumber uint8

// ErasureStep is what an erasure does. Steps are stored.
type ErasureStep uint8

// The steps, in their order.
const (
	EraseMemberships ErasureStep = iota // and roles, bans, sessions
	EraseMessages                       // of the user, and the user's id in those of others
	EraseRecords                        // the id in all other records
	EraseLog                            // name and id in events
	EraseSinks                          // what streams have written to files
	EraseNames                          // the id in what the erasure itself needed
	EraseDisk                           // what the engine still has of all that
	Erased
)

// ErasedAs is the Ref that stands for the user from now on.
func (e *Erasure) ErasedAs() Ref { return UserRef("erased-" + e.ID) }

// Begin goes on to a step.
func (e *Erasure) Begin(step ErasureStep) {
	e.Step, e.Table, e.At, e.Channel, e.Position = step, 0, nil, "", 0
}
