package client

import (
	"cmp"
	"encoding/json"
	"strconv"
)

// Types of events, with what Event.Data then is. A server may send others.
const (
	EventSessionEstablished = "SESSION_ESTABLISHED" // *Established
	EventSessionResumed     = "SESSION_RESUMED"     // *Resumed: everything missed has been handed out
	EventSessionNotResumed  = "SESSION_NOT_RESUMED" // *NotResumed: something may be missing, fetch it again
	EventResumeToken        = "RESUME_TOKEN"

	EventChannelDetails = "CHANNEL_DETAILS" // *ChannelDetails

	EventCreateChannelMessage        = "CREATE_CHANNEL_MESSAGE" // *ChannelMessage, as the next nine
	EventUpdateChannelMessage        = "UPDATE_CHANNEL_MESSAGE"
	EventRedactChannelMessage        = "REDACT_CHANNEL_MESSAGE"
	EventDeleteChannelMessage        = "DELETE_CHANNEL_MESSAGE"
	EventPendingCreateChannelMessage = "PENDING_CREATE_CHANNEL_MESSAGE"
	EventPendingUpdateChannelMessage = "PENDING_UPDATE_CHANNEL_MESSAGE"
	EventFailedCreateChannelMessage  = "FAILED_CREATE_CHANNEL_MESSAGE"
	EventFailedUpdateChannelMessage  = "FAILED_UPDATE_CHANNEL_MESSAGE"
	EventDeniedCreateChannelMessage  = "DENIED_CREATE_CHANNEL_MESSAGE"
	EventDeniedUpdateChannelMessage  = "DENIED_UPDATE_CHANNEL_MESSAGE"

	EventUpdateChannel = "UPDATE_CHANNEL" // *Channel
	EventDeleteChannel = "DELETE_CHANNEL" // *Channel

	EventCreateChannelMembership      = "CREATE_CHANNEL_MEMBERSHIP"       // *ChannelMembership
	EventUpdateChannelMembership      = "UPDATE_CHANNEL_MEMBERSHIP"       // *ChannelMembership
	EventDeleteChannelMembership      = "DELETE_CHANNEL_MEMBERSHIP"       // *ChannelMembership
	EventBatchCreateChannelMembership = "BATCH_CREATE_CHANNEL_MEMBERSHIP" // *BatchChannelMemberships

	EventChannelPresence = "CHANNEL_PRESENCE" // *Presence
	EventTyping          = "TYPING"           // *Typing
	EventUnreadCount     = "UNREAD_COUNT"     // *UnreadCount
)

// Names of headers of an event (spec 4.3, and the position of resuming sessions).
const (
	headerType        = "x-amz-chime-event-type"
	headerMessageType = "x-amz-chime-message-type"
	headerReason      = "x-amz-chime-event-reason"
	headerPosition    = "x-carillon-position"
)

// Event is the content of one frame of the WebSocket.
type Event struct {
	// Type is one of the constants, or what a newer server sends. It is empty for a frame that is
	// no event, whose text is the Payload then.
	Type        string
	MessageType string            // STANDARD, CONTROL or SYSTEM
	Reason      string            // subchannel_DELETED, or empty
	Headers     map[string]string // all of them
	Payload     string            // JSON, as it came; may be empty
	// Data is the payload decoded, a pointer to the structure named beside the type's constant. It
	// is nil when the type is unknown, or the payload is not what its type says.
	Data any
	// Position is the event's position in the server's log, zero for an event that is not in it.
	Position uint64
	// ResumeFrom is what SessionConfig.ResumeFrom takes to go on after this event, in another
	// process too. It is empty while the server has given no resume token.
	ResumeFrom string
}

// Message gives the channel message of an event that has one, else nil.
func (e Event) Message() *ChannelMessage {
	m, _ := e.Data.(*ChannelMessage)
	return m
}

// Established is the event of a socket that has begun.
type Established struct {
	// Extras are those of SessionConfig.Extras that the socket has. It is nil when the server does
	// not say, and empty when the app instance has none of them.
	Extras []Extra
}

// Resumed is the event after everything missed.
type Resumed struct {
	Events      int
	ResumeToken string
}

// Reasons of NotResumed.
const (
	NotResumedExpired     = "EXPIRED"     // older than the log that the server keeps
	NotResumedOtherUser   = "OTHER_USER"  // the token is of another user
	NotResumedInvalid     = "INVALID"     // no token of this server
	NotResumedUnsupported = "UNSUPPORTED" // this server does not resume; the SDK itself says so
)

// NotResumed is the event of a session that begins anew: what happened between the sockets is not
// handed out.
type NotResumed struct{ Reason, Message string }

// ChannelDetails is one channel of the prefetch.
type ChannelDetails struct {
	Channel                *ChannelSummary
	ChannelMessages        []ChannelMessageSummary // newest first, at most 20
	ChannelMemberships     []ChannelMembershipSummary
	ReadMarkerTimestamp    Time
	ChannelMessagesHasMore bool
	UnreadCount            *int // only with the extra
}

// Presence lists which of a channel's members are online.
type Presence struct {
	ChannelARN   string `json:"ChannelArn"`
	SubChannelID string `json:"SubChannelId"`
	OnlineCount  int
	Online       []string // ARNs that are online, or have come online since the last event
	Offline      []string // ARNs that have gone offline
	Complete     bool     // Online holds all users that are online
}

// Typing reports that a user is writing a message.
type Typing struct {
	ChannelARN   string `json:"ChannelArn"`
	SubChannelID string `json:"SubChannelId"`
	Sender       Identity
}

// UnreadCount is how many messages of a channel the user has not read.
type UnreadCount struct {
	ChannelARN          string `json:"ChannelArn"`
	SubChannelID        string `json:"SubChannelId"`
	UnreadCount         int
	ReadMarkerTimestamp Time
}

// parse reads a frame.
func parse(text []byte) Event {
	var frame struct {
		Headers map[string]string
		Payload string
	}
	if err := json.Unmarshal(text, &frame); err != nil || frame.Headers[headerType] == "" {
		return Event{Payload: string(text)}
	}
	h := frame.Headers
	e := Event{Type: h[headerType], MessageType: h[headerMessageType], Reason: h[headerReason], Headers: h, Payload: frame.Payload}
	e.Position, _ = strconv.ParseUint(h[headerPosition], 10, 64)
	e.Data = decode(e.Type, frame.Payload)
	return e
}

func decode(typ, payload string) any {
	switch typ {
	case EventSessionEstablished:
		return read[Established](cmp.Or(payload, "{}")) // a server without resume tokens sends no payload
	case EventSessionResumed:
		return read[Resumed](payload)
	case EventSessionNotResumed:
		return read[NotResumed](payload)
	case EventChannelDetails:
		return read[ChannelDetails](payload)
	case EventCreateChannelMessage, EventUpdateChannelMessage, EventRedactChannelMessage, EventDeleteChannelMessage,
		EventPendingCreateChannelMessage, EventPendingUpdateChannelMessage, EventFailedCreateChannelMessage,
		EventFailedUpdateChannelMessage, EventDeniedCreateChannelMessage, EventDeniedUpdateChannelMessage:
		return read[ChannelMessage](payload)
	case EventUpdateChannel, EventDeleteChannel:
		return read[Channel](payload)
	case EventCreateChannelMembership, EventUpdateChannelMembership, EventDeleteChannelMembership:
		return read[ChannelMembership](payload)
	case EventBatchCreateChannelMembership:
		return read[BatchChannelMemberships](payload)
	case EventChannelPresence:
		return read[Presence](payload)
	case EventTyping:
		return read[Typing](payload)
	case EventUnreadCount:
		return read[UnreadCount](payload)
	}
	return nil
}

// read gives nil, without a type, for what cannot be read.
func read[T any](payload string) any {
	data := new(T)
	if json.Unmarshal([]byte(payload), data) != nil {
		return nil
	}
	return data
}

// tokenOf gives the resume token of an event that carries one.
func (e Event) tokenOf() string {
	var with struct{ ResumeToken string }
	_ = json.Unmarshal([]byte(e.Payload), &with) // no token in what cannot be read
	return with.ResumeToken
}
