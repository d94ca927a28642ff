package chime

// Events that a WebSocket carries (spec 4.4).
const (
	EventSessionEstablished    = "SESSION_ESTABLISHED"
	EventCreateMessage         = "CREATE_CHANNEL_MESSAGE"
	EventUpdateMessage         = "UPDATE_CHANNEL_MESSAGE"
	EventRedactMessage         = "REDACT_CHANNEL_MESSAGE"
	EventDeleteMessage         = "DELETE_CHANNEL_MESSAGE"
	EventPendingCreateMessage  = "PENDING_CREATE_CHANNEL_MESSAGE"
	EventPendingUpdateMessage  = "PENDING_UPDATE_CHANNEL_MESSAGE"
	EventFailedCreateMessage   = "FAILED_CREATE_CHANNEL_MESSAGE"
	EventFailedUpdateMessage   = "FAILED_UPDATE_CHANNEL_MESSAGE"
	EventDeniedCreateMessage   = "DENIED_CREATE_CHANNEL_MESSAGE"
	EventDeniedUpdateMessage   = "DENIED_UPDATE_CHANNEL_MESSAGE"
	EventUpdateChannel         = "UPDATE_CHANNEL"
	EventDeleteChannel         = "DELETE_CHANNEL"
	EventCreateMembership      = "CREATE_CHANNEL_MEMBERSHIP"
	EventBatchCreateMembership = "BATCH_CREATE_CHANNEL_MEMBERSHIP"
	EventUpdateMembership      = "UPDATE_CHANNEL_MEMBERSHIP"
	EventDeleteMembership      = "DELETE_CHANNEL_MEMBERSHIP"
	EventChannelDetails        = "CHANNEL_DETAILS"
)

// Events of Carillon's own. A WebSocket carries them only to clients that ask for them.
const (
	EventResumeToken       = "RESUME_TOKEN"
	EventSessionResumed    = "SESSION_RESUMED"
	EventSessionNotResumed = "SESSION_NOT_RESUMED"
	EventChannelPresence   = "CHANNEL_PRESENCE"
	EventTyping            = "TYPING"
	EventUnreadCount       = "UNREAD_COUNT"
)

// Events of the log alone. They have no MessageType and reach no socket, though the deletion of
// a user or an app instance closes the sockets of its Subject.
const (
	EventCreateAppInstance = "CREATE_APP_INSTANCE"
	EventUpdateAppInstance = "UPDATE_APP_INSTANCE"
	EventDeleteAppInstance = "DELETE_APP_INSTANCE"
	EventCreateUser        = "CREATE_APP_INSTANCE_USER"
	EventUpdateUser        = "UPDATE_APP_INSTANCE_USER"
	EventDeleteUser        = "DELETE_APP_INSTANCE_USER"
	EventCreateAdmin       = "CREATE_APP_INSTANCE_ADMIN"
	EventDeleteAdmin       = "DELETE_APP_INSTANCE_ADMIN"
	EventCreateChannel     = "CREATE_CHANNEL"
	EventCreateModerator   = "CREATE_CHANNEL_MODERATOR"
	EventDeleteModerator   = "DELETE_CHANNEL_MODERATOR"
	EventUpdateReadMarker  = "UPDATE_CHANNEL_READ_MARKER"

	EventCreateBot          = "CREATE_APP_INSTANCE_BOT"
	EventUpdateBot          = "UPDATE_APP_INSTANCE_BOT"
	EventDeleteBot          = "DELETE_APP_INSTANCE_BOT"
	EventRegisterEndpoint   = "REGISTER_APP_INSTANCE_USER_ENDPOINT"
	EventUpdateEndpoint     = "UPDATE_APP_INSTANCE_USER_ENDPOINT"
	EventDeregisterEndpoint = "DEREGISTER_APP_INSTANCE_USER_ENDPOINT"
	EventPutRetention       = "PUT_APP_INSTANCE_RETENTION_SETTINGS"
	EventPutUserExpiration  = "PUT_APP_INSTANCE_USER_EXPIRATION_SETTINGS"
	EventPutStreams         = "PUT_MESSAGING_STREAMING_CONFIGURATIONS"

	EventCreateBan        = "CREATE_CHANNEL_BAN"
	EventDeleteBan        = "DELETE_CHANNEL_BAN"
	EventCreateSubChannel = "CREATE_SUB_CHANNEL"
	EventDeleteSubChannel = "DELETE_SUB_CHANNEL"
	EventLeaveSubChannel  = "LEAVE_SUB_CHANNEL"       // of a membership that balancing moves
	EventEndMemberships   = "END_CHANNEL_MEMBERSHIPS" // of a channel that is deleted already
	EventUpdateExpiration = "UPDATE_CHANNEL_EXPIRATION_SETTINGS"
	EventPutPreferences   = "PUT_CHANNEL_MEMBERSHIP_PREFERENCES"
	EventAssociateFlow    = "ASSOCIATE_CHANNEL_FLOW"
	EventDisassociateFlow = "DISASSOCIATE_CHANNEL_FLOW"
	EventCreateFlow       = "CREATE_CHANNEL_FLOW"
	EventUpdateFlow       = "UPDATE_CHANNEL_FLOW"
	EventDeleteFlow       = "DELETE_CHANNEL_FLOW"
	EventUpdateAccount    = "UPDATE_ACCOUNT"    // any change of IAM: what is known of principals is old
	EventPutPoolIdentity  = "PUT_POOL_IDENTITY" // of Cognito: made, or given a login
)

// ReasonSubChannelDeleted is the one x-amz-chime-event-reason there is: balancing deleted a
// sub-channel that the moderator was a member of.
const ReasonSubChannelDeleted = "subchannel_DELETED"

// MessageTypeSystem is the x-amz-chime-message-type of every event that is not of a message.
const MessageTypeSystem = "SYSTEM"

// Event is one change in the order in which changes were committed. Who gets it on the
// socket follows from Only, Also, Join and Leave alone, so that a reader of the log needs
// nothing else.
type Event struct {
	// Position is the event's place in the log. An ephemeral event has the position of the
	// event before it.
	Position uint64 `cbor:"-"`
	// Ephemeral events take a place in the live order but are never written.
	Ephemeral bool `cbor:"-"`

	Time Millis `cbor:"1,keyasint"`
	Type string `cbor:"2,keyasint"`
	Topic
	// MessageType is the header x-amz-chime-message-type: STANDARD, CONTROL or SYSTEM. Empty
	// for events that no socket carries.
	MessageType string `cbor:"6,keyasint,omitempty"`
	// Reason is the header x-amz-chime-event-reason.
	Reason string `cbor:"7,keyasint,omitempty"`
	// Only, when set, names the members who alone get the event; otherwise all do.
	Only []Ref `cbor:"8,keyasint,omitempty"`
	// Also get the event besides the members.
	Also []Ref `cbor:"9,keyasint,omitempty"`
	// Join become members before the event is delivered.
	Join []Ref `cbor:"10,keyasint,omitempty"`
	// Leave stop being members after the event is delivered.
	Leave []Ref `cbor:"11,keyasint,omitempty"`
	// Subject is the user or bot whom an event of the log alone is about, or who sent the message.
	Subject Ref `cbor:"12,keyasint,omitempty"`
	// Payload is the JSON text of the socket's Payload. The log keeps none of an event that
	// TellsContent, and it is nil as well once the content was withdrawn: then the payload is made
	// from the message as it is now.
	Payload []byte `cbor:"13,keyasint,omitempty"`

	// MessageID is the id of the message that the event is about, ChannelID that of its channel.
	MessageID string `cbor:"14,keyasint,omitempty"`
	ChannelID string `cbor:"15,keyasint,omitempty"`
	// Target, of a targeted message, is who besides the sender sees it.
	Target Ref `cbor:"16,keyasint,omitempty"`
}

// TellsContent reports whether the event carries what the sender of a message wrote.
func (e *Event) TellsContent() bool {
	if e.MessageID == "" {
		return e.Type == EventChannelDetails
	}
	return e.Type != EventRedactMessage && e.Type != EventDeleteMessage
}

// Removes reports whether the event takes content away that other events told of.
func (e *Event) Removes() bool {
	switch e.Type {
	case EventRedactMessage, EventDeleteMessage, EventDeleteSubChannel, EventDeleteChannel, EventPutRetention, EventDeleteAppInstance:
		return true
	}
	return false
}

// Withdraws reports whether the event takes away, or may take away, what the other event carries.
func (e *Event) Withdraws(other *Event) bool {
	if other.App != e.App || !other.TellsContent() {
		return false
	}
	switch e.Type {
	case EventRedactMessage, EventDeleteMessage:
		return other.Channel == e.Channel && (other.MessageID == e.MessageID || other.MessageID == "")
	case EventDeleteSubChannel: // by balancing: what is stored goes with it, and no other message does
		return other.Channel == e.Channel && other.Sub == e.Sub && !other.Ephemeral
	case EventDeleteChannel:
		return other.Channel == e.Channel
	case EventPutRetention: // which is about stored messages
		return !other.Ephemeral
	}
	return e.Removes()
}
