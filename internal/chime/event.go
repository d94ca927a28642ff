package chime

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// ReasonSubChannelDeleted is the one x-amz-chime-event-reason there is: balancing deleted a
// sub-channel that the moderator was a member of.
const ReasonSubChannelDeleted = "subchannel_DELETED"

// messageTypeStandard is the x-amz-chime-message-type of most messages.
const messageTypeStandard = string(messaging.ChannelMessageTypeStandard)

// MessageTypeSystem is the x-amz-chime-message-type of every event that is not of a message.
const MessageTypeSystem = "SYSTEM"

// Event is one change in the order in which changes were committed. Its audience follows from Only,
// Also, Join and Leave, and what else it does from the row of its kind, so that a reader of the log
// needs nothing more.
type Event struct {
	// Position is the event's place in the log. An ephemeral event has the position of the
	// event before it.
	Position uint64 `cbor:"-"`
	// Ephemeral events take a place in the live order but are never written.
	Ephemeral bool `cbor:"-"`

	Time Millis `cbor:"1,keyasint"`
	Type string `cbor:"2,keyasint"` // the name of its Kind
	Topic
	// MessageType is the header x-amz-chime-message-type: STANDARD, CONTROL or SYSTEM. Empty
	// for events that no socket carries.
	MessageType string `cbor:"6,keyasint,omitempty"`
	// Reason is the header x-amz-chime-event-reason.
	Reason string `cbor:"7,keyasint,omitempty"`
	// Only, when set, names the only members that get the event; otherwise all do.
	Only []Ref `cbor:"8,keyasint,omitempty"`
	// Also get the event in addition to the members.
	Also []Ref `cbor:"9,keyasint,omitempty"`
	// Join become members before the event is delivered.
	Join []Ref `cbor:"10,keyasint,omitempty"`
	// Leave stop being members after the event is delivered.
	Leave []Ref `cbor:"11,keyasint,omitempty"`
	// Subject is the user or bot that an event of the log alone is about, or the sender of the
	// message.
	Subject Ref `cbor:"12,keyasint,omitempty"`
	// Payload is the JSON text of the Payload of sockets and streams. The log keeps none of an event
	// that TellsContent, and it is nil as well once the content was withdrawn: then the payload is
	// made from the message as it is now.
	Payload []byte `cbor:"13,keyasint,omitempty"`

	// Object is the id of what the event is about: of a message, a sub-channel, an endpoint, a flow,
	// a channel or an app instance, or the Ref of a user or bot. A batch of members has none: it is
	// about those that Join.
	Object string `cbor:"14,keyasint,omitempty"`
	// ChannelID is the id of the channel. Another channel may have it after this one was deleted.
	ChannelID string `cbor:"15,keyasint,omitempty"`
	// Target, of a targeted message, is the member that sees it with the sender.
	Target Ref `cbor:"16,keyasint,omitempty"`
	// Actor is the user or bot whose call caused the event; empty for calls without a bearer and for
	// what the service does by itself.
	Actor Ref `cbor:"17,keyasint,omitempty"`
	// Push is set when a notification goes with the message, and the event is when members get it.
	Push bool `cbor:"18,keyasint,omitempty"`
	// Unsent is set when the message of a removal was never sent: its sender alone knew of it.
	Unsent bool `cbor:"19,keyasint,omitempty"`
}

// Compact leaves of the event what its record in the log keeps: no content, which is kept once, in the
// record of its message, no App, with which the key of the record begins, and nothing that follows from
// the row of its kind.
func (e *Event) Compact() {
	kind := e.Kind()
	e.App = ""
	if kind.Code != "" {
		e.Type = kind.Code
	}
	if kind.Content {
		e.Payload = nil
	}
	if kind.BySubject {
		e.Actor = ""
	}
	if kind.IsMessage() && e.MessageType == messageTypeStandard {
		e.MessageType = ""
	}
}

// Expand gives an event of an app instance's log what Compact left out of it, but for content.
func (e *Event) Expand(app string) {
	kind := e.Kind()
	e.App = app
	if kind.Code != "" {
		e.Type = kind.Name
	}
	if kind.BySubject {
		e.Actor = e.Subject
	}
	if kind.IsMessage() && e.MessageType == "" {
		e.MessageType = messageTypeStandard
	}
}

// Kind is the row of the event's name.
func (e *Event) Kind() *EventKind { return EventKindOf(e.Type) }

// IsStreamed reports whether streams carry the event: by its kind, and of messages that were sent alone (spec 7.5).
func (e *Event) IsStreamed() bool { return e.Kind().Stream != "" && !e.Unsent }

// TellsContent reports whether the event carries what the sender of a message wrote.
func (e *Event) TellsContent() bool { return e.Kind().Content }

// LacksContent reports whether the event carries what the sender of a message wrote, and has no payload:
// it is read from the log, or its content was withdrawn.
func (e *Event) LacksContent() bool { return e.Payload == nil && e.TellsContent() }

// Removes reports whether the event takes content away that other events carry.
func (e *Event) Removes() bool { return e.Kind().Removes != Nowhere }

// Withdraws reports whether the event takes away, or may take away, what the other event carries.
func (e *Event) Withdraws(other *Event) bool {
	if other.App != e.App {
		return false
	}
	kind := e.Kind()
	switch kind.Removes {
	case Nowhere:
		return false
	case OfMessage: // an event that is not about a message may carry several
		if other.Channel != e.Channel || other.Object != e.Object && other.Kind().IsMessage() {
			return false
		}
	case OfSub:
		if other.Topic != e.Topic {
			return false
		}
	case OfChannel:
		if other.Channel != e.Channel {
			return false
		}
	}
	return other.TellsContent() && !(kind.Stored && other.Ephemeral)
}

// EndsMembership reports whether the user is no member of the channel, or of the sub-channel, after
// the event.
func (e *Event) EndsMembership(user Ref) bool {
	return e.Kind().EndsMemberships || slices.Contains(e.Leave, user)
}

// Reaches reports whether the event goes to the sessions of a user that is a member of its topic,
// or is not. The audience of an event is decided before it has its place in the order of events: a
// user that was removed in between is sent nothing after its own removal.
func (e *Event) Reaches(user Ref, isMember bool) bool {
	if e.MessageType == "" { // no socket carries it
		return false
	}
	return isMember && (e.Only == nil || slices.Contains(e.Only, user)) || slices.Contains(e.Also, user)
}
