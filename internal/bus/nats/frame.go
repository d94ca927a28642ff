package nats

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
)

// A message of NATS is a frame:
//
//	version   1 byte
//	origin    8 bytes, the Bus that sent it
//	position  8 bytes: of the first event of the log, or that behind which ephemeral events belong
//	count     2 bytes
//	events    each its length as a uvarint and its record, without the app instance, which the subject has
//
// Numbers are big-endian. A frame of a log without events says that the log has some up to the position.
const (
	version    = 1
	headerSize = 1 + 8 + 8 + 2

	// softSize is where a frame ends, unless its only event is larger.
	softSize = 64 << 10
	// maxSize bounds every frame. NATS has a bound of its own, which is as much unless the operator
	// changes it.
	maxSize = 1 << 20
	// maxEvents bounds the events of a frame, each of which takes more memory than bytes.
	maxEvents = 1024
	// minEvent is the size of the shortest event: its length and an empty map.
	minEvent = 2
)

var errMalformed = errors.New("the frame is malformed")

// parcel is what one call of Publish or Announce sends.
type parcel struct {
	app      string
	position uint64 // as in a frame
	logged   []chime.Event
	live     []*chime.Event // when there are none logged
}

func (p *parcel) len() int { return len(p.logged) + len(p.live) }

func (p *parcel) at(i int) *chime.Event {
	if len(p.logged) > 0 {
		return &p.logged[i]
	}
	return p.live[i]
}

// size estimates how much memory the parcel holds.
func (p *parcel) size() (n int) {
	const each = 256 // beside the payload
	for i := range p.len() {
		n += each + len(p.at(i).Payload)
	}
	return n
}

// encoder makes frames. It reuses its memory.
type encoder struct {
	origin uint64
	frame  []byte
	event  []byte
}

// encode calls send for the frames of a parcel, none of which is larger than most. A frame is valid during
// the call. An event that is too large is a frame without events when the log has it; otherwise it is lost.
func (e *encoder) encode(p *parcel, most int, send func(frame []byte)) (lost int) {
	e.begin(p, 0)
	count := 0
	finish := func(next int) {
		if count > 0 {
			binary.BigEndian.PutUint16(e.frame[headerSize-2:], uint16(count))
			send(e.frame)
		}
		e.begin(p, next)
		count = 0
	}

	for i := range p.len() {
		event := e.record(p.at(i))
		if count == maxEvents || len(e.frame)+len(event) > min(softSize, most) {
			finish(i)
		}
		if len(e.frame)+len(event) <= most {
			e.frame = append(e.frame, event...)
			count++
			continue
		}
		if len(p.logged) > 0 {
			send(e.frame)
		} else {
			lost++
		}
		e.begin(p, i+1)
	}
	finish(p.len())
	return lost
}

// begin begins a frame with the event of the parcel that is at the index.
func (e *encoder) begin(p *parcel, i int) {
	position := p.position
	if len(p.logged) > 0 {
		position += uint64(i)
	}
	e.frame = append(e.frame[:0], version)
	e.frame = binary.BigEndian.AppendUint64(e.frame, e.origin)
	e.frame = binary.BigEndian.AppendUint64(e.frame, position)
	e.frame = append(e.frame, 0, 0)
}

// record is the event with its length.
func (e *encoder) record(event *chime.Event) []byte {
	own := *event
	own.App = ""
	const room = binary.MaxVarintLen32
	e.event = own.AppendRecord(append(e.event[:0], make([]byte, room)...))

	// The length is written before the record, so that it ends where the record begins.
	var length [room]byte
	n := binary.PutUvarint(length[:], uint64(len(e.event)-room))
	copy(e.event[room-n:], length[:n])
	return e.event[room-n:]
}

// frame is what was decoded.
type frame struct {
	origin   uint64
	position uint64
	events   []chime.Event // of the app instance; nothing else is set that records do not have
}

// decode reads a frame of the subject of an app instance. Its error is errMalformed.
func decode(app string, data []byte) (f frame, err error) {
	if len(data) < headerSize || len(data) > maxSize || data[0] != version {
		return frame{}, errMalformed
	}
	f.origin = binary.BigEndian.Uint64(data[1:])
	f.position = binary.BigEndian.Uint64(data[9:])
	count := int(binary.BigEndian.Uint16(data[17:]))
	body := data[headerSize:]
	if count > maxEvents || count*minEvent > len(body) || f.position > math.MaxUint64-uint64(count) {
		return frame{}, errMalformed
	}

	// All texts of the events are parts of one.
	text := string(body)
	f.events = make([]chime.Event, count)
	for i := range f.events {
		length, n := binary.Uvarint(body)
		if n <= 0 || length > uint64(len(body)-n) {
			return frame{}, errMalformed
		}
		event := &f.events[i]
		if err := event.ReadRecord(text[n : n+int(length)]); err != nil {
			return frame{}, errMalformed
		}
		body, text = body[n+int(length):], text[n+int(length):]
		event.App = app
	}
	if len(body) > 0 {
		return frame{}, errMalformed
	}
	return f, nil
}

// logged are the events as the log has them.
func (f *frame) logged() []chime.Event {
	for i := range f.events {
		f.events[i].Position = f.position + uint64(i)
	}
	return f.events
}

// message is what a subscription gets.
func (f *frame) message() bus.Message {
	live := make([]*chime.Event, len(f.events))
	for i := range f.events {
		f.events[i].Ephemeral = true
		live[i] = &f.events[i]
	}
	return bus.Message{After: f.position, Events: live}
}
