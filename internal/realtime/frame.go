package realtime

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime/outbox"
)

// form is how the frames of a session are made.
type form uint8

const (
	withPosition form = 1 << iota // events of the log have the header x-carillon-position
	compressed
	formCount = 1 << iota
)

// frames are those of some events, in their order. Each form is made once, when the first receiver needs
// it.
type frames struct {
	env    *environment
	events []*chime.Event
	made   [formCount][]*outbox.Frame
}

func (f *frames) as(how form) []*outbox.Frame {
	if f.made[how] == nil {
		f.made[how] = make([]*outbox.Frame, len(f.events))
		for i, e := range f.events {
			f.made[how][i] = f.env.frame(e, how)
		}
		if len(f.events) > 1 {
			outbox.LineUp(f.made[how])
		}
	}
	return f.made[how]
}

// frameSize is about how many bytes the frame of an event takes: its payload is quoted once more.
func frameSize(e *chime.Event) int { return 200 + len(e.Payload) + len(e.Payload)/8 }

// frame encodes an event as spec 4.3 has it. Payload is a string that holds JSON.
func (env *environment) frame(e *chime.Event, how form) *outbox.Frame {
	text := appendHeaders(make([]byte, 0, frameSize(e)), e, how)
	if len(e.Payload) > 0 {
		text = append(text, `,"Payload":`...)
		text, _ = jsontext.AppendQuote(text, e.Payload) // invalid UTF-8 is replaced; ours is valid
	}
	return env.framed(append(text, '}'), e, how)
}

// appendHeaders begins the text of an event.
func appendHeaders(text []byte, e *chime.Event, how form) []byte {
	text = append(text, `{"Headers":{"x-amz-chime-event-type":"`...)
	text = append(text, e.Type...)
	text = append(text, `","x-amz-chime-message-type":"`...)
	text = append(text, e.MessageType...)
	if e.Reason != "" {
		text = append(text, `","x-amz-chime-event-reason":"`...)
		text = append(text, e.Reason...)
	}
	if how&withPosition != 0 && !e.Ephemeral && e.Position != 0 {
		text = append(text, `","x-carillon-position":"`...)
		text = strconv.AppendUint(text, e.Position, 10)
	}
	return append(text, `"}`...)
}

// framed makes the frame of the text of an event.
func (env *environment) framed(text []byte, e *chime.Event, how form) *outbox.Frame {
	f := &outbox.Frame{Bytes: env.Frame(text, how&compressed != 0)}
	if e.TellsContent() {
		f.Event = e
	}
	return f
}

// system makes a frame that is for one session alone.
func (s *Session) system(kind string, payload []byte) *outbox.Frame {
	return s.env().frame(&chime.Event{Type: kind, MessageType: chime.MessageTypeSystem, Payload: payload}, s.form)
}
