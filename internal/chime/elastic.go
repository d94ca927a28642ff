package chime

// Elastic is the configuration that makes a channel an elastic one (spec 6.8).
type Elastic struct {
	MaximumSubChannels   int `cbor:"1,keyasint"`
	TargetMemberships    int `cbor:"2,keyasint"` // in one sub-channel
	MinimumMembershipPct int `cbor:"3,keyasint"` // of the target, rounded up; below it a sub-channel is merged

	// Indexed reports that the sub-channels of members are found by key. It is false of channels that
	// were made before those were kept.
	Indexed bool `cbor:"4,keyasint,omitempty"`
	// Adopted reports that the numbers of members are kept apart from the records of the sub-channels. It
	// is false of channels that were made before, until the first call that changes them.
	Adopted bool `cbor:"5,keyasint,omitempty"`
}

// Minimum is how many members a sub-channel needs not to be merged into another.
func (e *Elastic) Minimum() int {
	return (e.TargetMemberships*e.MinimumMembershipPct + 99) / 100
}

// SubChannel is one part of an elastic channel. How many members it has is kept apart, under its
// number: see package channel/occupancy.
type SubChannel struct {
	ID      string `cbor:"1,keyasint"`
	Created Millis `cbor:"2,keyasint"`
	Order   uint64 `cbor:"3,keyasint"` // place of creation
	// Number is the place of creation among the sub-channels of the channel, from 1. It is zero in
	// records of before numbers were given, which have the number of Members instead.
	Number  uint64 `cbor:"5,keyasint,omitempty"`
	Members int    `cbor:"4,keyasint,omitempty"`
}

// Rebalancing is a change of the sub-channels of an elastic channel that takes several transactions,
// and how far it has come: the merger of From into another, or without From the division of full ones.
type Rebalancing struct {
	ChannelID string `cbor:"1,keyasint"`
	Actor     Ref    `cbor:"2,keyasint,omitempty"` // whose call caused it
	Into      string `cbor:"3,keyasint"`           // the sub-channel that members move to
	From      string `cbor:"4,keyasint,omitempty"` // the one that goes

	// Source is the number of the full sub-channel that members leave at present, zero at first, and
	// Moves how many are yet to leave it. Each that follows gives Share, the next Extra one more.
	Source uint64 `cbor:"5,keyasint,omitempty"`
	Moves  int    `cbor:"6,keyasint,omitempty"`
	Share  int    `cbor:"7,keyasint,omitempty"`
	Extra  int    `cbor:"8,keyasint,omitempty"`

	// Left reports that members left some sub-channel since a division began.
	Left bool `cbor:"10,keyasint,omitempty"`
	// At is the key of the latest member that was looked at, of From or Source; nil for none.
	At []byte `cbor:"9,keyasint,omitempty"`
}
