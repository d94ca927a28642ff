package chime

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/google/uuid"
)

// Processing is a message on its way through the processors of a channel flow: a new message, or a new
// version of one. It ends with the outcome.
type Processing struct {
	// Callback is the CallbackId under which the processor of the step answers.
	Callback string       `cbor:"1,keyasint"`
	Channel  ChannelEntry `cbor:"2,keyasint"`
	// Message is as the processors before made it.
	Message Message `cbor:"3,keyasint"`
	Edit    bool    `cbor:"4,keyasint,omitempty"` // Message is a new version
	// Flow is the id of the flow, and Processors are those that it had when the message entered.
	Flow       string      `cbor:"5,keyasint"`
	Processors []Processor `cbor:"6,keyasint"`
	Step       int         `cbor:"7,keyasint,omitempty"` // index of the processor that has to answer
	// Invoked is set when that processor was invoked and has answered that it will call back.
	Invoked bool `cbor:"8,keyasint,omitempty"`
	// Before is when the version was edited that an edit is to replace.
	Before Millis `cbor:"9,keyasint,omitempty"`
}

// Processor is the one that has to answer.
func (p *Processing) Processor() *Processor { return &p.Processors[p.Step] }

// Callback is what is known of a CallbackId, for as long as a processor may call back.
type Callback struct {
	Channel ChannelEntry `cbor:"1,keyasint"`
	Message string       `cbor:"2,keyasint"` // its id
	// Answer is a hash of the callback that was taken, nil while none was.
	Answer []byte `cbor:"3,keyasint,omitempty"`
}

// NewCallbackID makes a CallbackId: a lower-case version 7 UUID, whose text begins with a moment of store
// time, so that ids sort by age.
func NewCallbackID(random io.Reader, at time.Duration) (string, error) {
	id, err := uuid.NewRandomFromReader(random)
	if err != nil {
		return "", err
	}
	var moment [8]byte
	binary.BigEndian.PutUint64(moment[:], uint64(at.Milliseconds()))
	copy(id[:6], moment[2:])
	id[6] = id[6]&0x0f | 0x70
	return id.String(), nil
}

// FirstCallbackID sorts before every id that was made at or after a moment of store time.
func FirstCallbackID(at time.Duration) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(max(at, 0).Milliseconds())<<16)
	return id.String()
}
