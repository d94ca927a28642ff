package chime

import "github.com/carillon-chat/carillon/internal/api/messaging"

// EventKind is one row of the table of kinds of events: all that there is to know of the events of a name.
// A reader of events asks the row what an event means to it and never compares names, so a new kind is
// a row and the code that produces its events.
type EventKind struct {
	// Name is the name in the log, in the header x-amz-chime-event-type and in streams.
	Name string
	// Code is what records of the log have in place of the name, for kinds of which there are many.
	// It is part of the stored format: none is ever changed or used again.
	Code string
	// To is the audience of events of the kind.
	To Audience
	// Extension is set for kinds that AWS does not have. Only clients that ask for them get them.
	Extension bool
	// Extra is the extra that the kind belongs to, zero for all others. Its events are ephemeral: what
	// is replayed goes to clients whatever they asked for.
	Extra Extras

	// Status is the status that the message of an event has after it, empty for events that are not
	// about a message.
	Status messaging.ChannelMessageStatus
	// Content is set when the payload has what the sender of a message wrote.
	Content bool
	// Edits is set when the message is an edited one from now on.
	Edits bool
	// Pushes is set when the notification that goes with a message is pushed: when members get it, and not
	// when it is edited (spec 9.2).
	Pushes bool

	// BySubject is set when the subject of an event is always its actor, so that the log need not keep
	// the actor.
	BySubject bool
	// Stream is the type of the streams that carry the kind, empty when none does.
	Stream messaging.MessagingDataType
	// StreamedAs is the name of the kind as which streams carry it, one event for each user or bot that
	// joins, when that is another kind.
	StreamedAs string

	// Unread is set when a STANDARD message of the event adds one to the unread counts of its
	// audience, the sender excepted.
	Unread bool
	// Recounts is whose unread counts have to be read again.
	Recounts Reach
	// Stale is set when all that was prefetched in the app instance may be out of date: names, or
	// which messages are shown.
	Stale bool
	// Removes is where content that was delivered before is no longer delivered. With Stored,
	// messages that are not persistent stay.
	Removes Reach
	Stored  bool
	// Asks is set when bots may have to answer the STANDARD message of the event.
	Asks bool
	// BeginsMemberships is set when those that Join are new members of the channel.
	BeginsMemberships bool
	// EndsMemberships is set when all memberships of the channel end.
	EndsMemberships bool
	// EndsSessions is whose sessions end.
	EndsSessions Reach
	// ListsApps is set when the account's list of app instances has changed.
	ListsApps bool
	// Permits is set when what callers may do can have changed.
	Permits bool

	// Notice is the detail-type under which the event goes to the operator, empty when it does not. The
	// payload is the detail: see package notice.
	Notice string
	// NoticeSource is the source of that notice where AWS has no such one; empty stands for aws.chime.
	NoticeSource string
	// ServiceEvent is the name under which the audit log has the event, empty when it has not: what the
	// service does to a resource without a call (spec 9.3).
	ServiceEvent string
}

// Audience is the kind of receiver of events.
type Audience uint8

// The audiences that there are.
const (
	NoSocket  Audience = iota // the events are in the log alone
	Members                   // members of the channel, as the event says by Only, Also, Join and Leave
	OneSocket                 // one socket, about itself: the events are not in the log
)

// Reach is how far an event reaches in what it does.
type Reach uint8

// The reaches that there are.
const (
	Nowhere   Reach = iota
	OfMessage       // the message that the event is about, or its audience
	OfSub           // the sub-channel
	OfChannel       // the channel
	OfSubject       // the subject of the event
	OfApp           // the app instance
)

// IsMessage reports whether events of the kind are about a message. Their MessageType is the one of
// the message.
func (k *EventKind) IsMessage() bool { return k.Status != "" }

// MessageType is the header x-amz-chime-message-type of the kind: SYSTEM, or empty when no socket
// carries the kind or the message has a type of its own.
func (k *EventKind) MessageType() string {
	if k.To == NoSocket || k.IsMessage() {
		return ""
	}
	return MessageTypeSystem
}

// StreamName is the name of the kind in records of streams.
func (k *EventKind) StreamName() string {
	if k.StreamedAs != "" {
		return k.StreamedAs
	}
	return k.Name
}

// EventKindOf is the row of a name or code. For one that it does not know it is an empty row: such an
// event does nothing but reach its audience.
func EventKindOf(name string) *EventKind {
	if k := kindsByName[name]; k != nil {
		return k
	}
	return &noKind
}

// EventKinds are all rows. The caller must not change them.
func EventKinds() []EventKind { return kinds[:] }

var noKind EventKind

var kindsByName = func() map[string]*EventKind {
	rows := make(map[string]*EventKind, len(kinds))
	for i := range kinds {
		rows[kinds[i].Name] = &kinds[i]
		if code := kinds[i].Code; code != "" {
			rows[code] = &kinds[i]
		}
	}
	return rows
}()

// Names of the kinds that a WebSocket of AWS carries (spec 4.4).
const (
	EventSessionEstablished    = "SESSION_ESTABLISHED"
	EventChannelDetails        = "CHANNEL_DETAILS"
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
)

// Names of the kinds that AWS does not have.
const (
	EventResumeToken       = "RESUME_TOKEN"
	EventSessionResumed    = "SESSION_RESUMED"
	EventSessionNotResumed = "SESSION_NOT_RESUMED"
	EventChannelPresence   = "CHANNEL_PRESENCE"
	EventTyping            = "TYPING"
	EventUnreadCount       = "UNREAD_COUNT"
)

// Names of the kinds of the log alone.
const (
	EventUpdateAccount      = "UPDATE_ACCOUNT"       // any change of IAM
	EventUpdateAppInstances = "UPDATE_APP_INSTANCES" // of the account's list of app instances
	EventPutPoolIdentity    = "PUT_POOL_IDENTITY"    // of Cognito: created, or given a login
	EventCreateAppInstance  = "CREATE_APP_INSTANCE"
	EventUpdateAppInstance  = "UPDATE_APP_INSTANCE"
	EventDeleteAppInstance  = "DELETE_APP_INSTANCE"
	EventPutRetention       = "PUT_APP_INSTANCE_RETENTION_SETTINGS"
	EventPutStreams         = "PUT_MESSAGING_STREAMING_CONFIGURATIONS"
	EventCreateUser         = "CREATE_APP_INSTANCE_USER"
	EventUpdateUser         = "UPDATE_APP_INSTANCE_USER"
	EventDeleteUser         = "DELETE_APP_INSTANCE_USER"
	EventEraseUser          = "ERASE_APP_INSTANCE_USER" // begun: after the DELETE_APP_INSTANCE_USER, if there is one; and of what stands for it, when no record names it
	EventPutUserExpiration  = "PUT_APP_INSTANCE_USER_EXPIRATION_SETTINGS"
	EventRegisterEndpoint   = "REGISTER_APP_INSTANCE_USER_ENDPOINT"
	EventUpdateEndpoint     = "UPDATE_APP_INSTANCE_USER_ENDPOINT"
	EventDeregisterEndpoint = "DEREGISTER_APP_INSTANCE_USER_ENDPOINT"
	EventCreateBot          = "CREATE_APP_INSTANCE_BOT"
	EventUpdateBot          = "UPDATE_APP_INSTANCE_BOT"
	EventDeleteBot          = "DELETE_APP_INSTANCE_BOT"
	EventCreateAdmin        = "CREATE_APP_INSTANCE_ADMIN"
	EventDeleteAdmin        = "DELETE_APP_INSTANCE_ADMIN"
	EventCreateFlow         = "CREATE_CHANNEL_FLOW"
	EventUpdateFlow         = "UPDATE_CHANNEL_FLOW"
	EventDeleteFlow         = "DELETE_CHANNEL_FLOW"
	EventCreateWebhook      = "CREATE_WEBHOOK"
	EventUpdateWebhook      = "UPDATE_WEBHOOK" // also its secrets, and where it begins again
	EventDeleteWebhook      = "DELETE_WEBHOOK"

	EventCreateChannel    = "CREATE_CHANNEL"
	EventUpdateExpiration = "UPDATE_CHANNEL_EXPIRATION_SETTINGS"
	EventCreateSubChannel = "CREATE_SUB_CHANNEL"
	EventDeleteSubChannel = "DELETE_SUB_CHANNEL"
	EventLeaveSubChannel  = "LEAVE_SUB_CHANNEL" // of a membership that balancing moves
	EventCreateModerator  = "CREATE_CHANNEL_MODERATOR"
	EventDeleteModerator  = "DELETE_CHANNEL_MODERATOR"
	EventCreateBan        = "CREATE_CHANNEL_BAN"
	EventDeleteBan        = "DELETE_CHANNEL_BAN"
	EventUpdateReadMarker = "UPDATE_CHANNEL_READ_MARKER"
	EventPutPreferences   = "PUT_CHANNEL_MEMBERSHIP_PREFERENCES"
	EventAssociateFlow    = "ASSOCIATE_CHANNEL_FLOW"
	EventDisassociateFlow = "DISASSOCIATE_CHANNEL_FLOW"
	EventEndMemberships   = "END_CHANNEL_MEMBERSHIPS" // of a channel that is deleted already
)

// Names of the kinds that report to the operator what happened without a call. They are in the log alone.
const (
	EventProcessorFailure = "PROCESSOR_INVOCATION_FAILURE" // of a channel flow
	EventBotFailure       = "BOT_INVOCATION_FAILURE"
	EventPushFailure      = "PUSH_DELIVERY_FAILURE"
	EventWebhookDisabled  = "WEBHOOK_DISABLED"         // by the service
	EventExpireChannel    = "EXPIRE_CHANNEL"           // beside the DELETE_CHANNEL
	EventExpireUser       = "EXPIRE_APP_INSTANCE_USER" // beside the DELETE_APP_INSTANCE_USER
)

const (
	statusSent    = messaging.ChannelMessageStatusSent
	statusPending = messaging.ChannelMessageStatusPending
	statusFailed  = messaging.ChannelMessageStatusFailed
	statusDenied  = messaging.ChannelMessageStatusDenied

	streamOfMessages = messaging.MessagingDataTypeChannelMessage
	streamOfChannels = messaging.MessagingDataTypeChannel
)

// kinds is the table.
var kinds = [...]EventKind{
	{Name: EventSessionEstablished, To: OneSocket},
	{Name: EventSessionResumed, To: OneSocket, Extension: true},
	{Name: EventSessionNotResumed, To: OneSocket, Extension: true},
	{Name: EventResumeToken, To: OneSocket, Extension: true},
	{Name: EventChannelDetails, To: OneSocket, Content: true},

	{Name: EventCreateMessage, Code: "cm", To: Members, Status: statusSent, Content: true, BySubject: true, Stream: streamOfMessages, Unread: true, Pushes: true, Asks: true},
	{Name: EventUpdateMessage, Code: "um", To: Members, Status: statusSent, Content: true, BySubject: true, Stream: streamOfMessages, Edits: true},
	{Name: EventRedactMessage, Code: "rm", To: Members, Status: statusSent, Stream: streamOfMessages, Removes: OfMessage, Recounts: OfMessage},
	{Name: EventDeleteMessage, Code: "dm", To: Members, Status: statusSent, Stream: streamOfMessages, Removes: OfMessage, Recounts: OfMessage},
	{Name: EventPendingCreateMessage, To: Members, Status: statusPending, Content: true, BySubject: true},
	{Name: EventPendingUpdateMessage, To: Members, Status: statusPending, Content: true, BySubject: true},
	{Name: EventFailedCreateMessage, To: Members, Status: statusFailed, Content: true, BySubject: true},
	{Name: EventFailedUpdateMessage, To: Members, Status: statusFailed, Content: true, BySubject: true},
	{Name: EventDeniedCreateMessage, To: Members, Status: statusDenied, Content: true, BySubject: true},
	{Name: EventDeniedUpdateMessage, To: Members, Status: statusDenied, Content: true, BySubject: true},

	{Name: EventCreateChannel, Stream: streamOfChannels},
	{Name: EventUpdateChannel, To: Members, Stream: streamOfChannels},
	{Name: EventDeleteChannel, To: Members, Stream: streamOfChannels, Removes: OfChannel, EndsMemberships: true},
	{Name: EventUpdateExpiration, Stream: streamOfChannels},
	{Name: EventCreateSubChannel, Stream: streamOfChannels},
	{Name: EventDeleteSubChannel, Stream: streamOfChannels, Removes: OfSub, Stored: true}, // by balancing
	{Name: EventAssociateFlow},
	{Name: EventDisassociateFlow},

	{Name: EventCreateMembership, To: Members, Stream: streamOfChannels, BeginsMemberships: true},
	{Name: EventBatchCreateMembership, To: Members, Stream: streamOfChannels, StreamedAs: EventCreateMembership, BeginsMemberships: true},
	{Name: EventUpdateMembership, To: Members}, // balancing moved it, which no stream carries
	{Name: EventDeleteMembership, To: Members, Stream: streamOfChannels},
	{Name: EventLeaveSubChannel},
	{Name: EventEndMemberships},
	{Name: EventUpdateReadMarker, Code: "ur", BySubject: true, Recounts: OfSubject},
	{Name: EventPutPreferences, BySubject: true},
	{Name: EventCreateModerator, Stream: streamOfChannels},
	{Name: EventDeleteModerator, Stream: streamOfChannels},
	{Name: EventCreateBan, Stream: streamOfChannels},
	{Name: EventDeleteBan, Stream: streamOfChannels},

	{Name: EventChannelPresence, To: Members, Extension: true, Extra: ExtraPresence},
	{Name: EventTyping, To: Members, BySubject: true, Extension: true, Extra: ExtraTyping},
	{Name: EventUnreadCount, To: Members, Extension: true, Extra: ExtraUnread},

	{Name: EventCreateAppInstance},
	{Name: EventUpdateAppInstance},
	{Name: EventDeleteAppInstance, Removes: OfApp, EndsSessions: OfApp},
	{Name: EventPutRetention, Removes: OfApp, Stored: true, Recounts: OfApp, Stale: true},
	{Name: EventPutStreams},
	{Name: EventCreateUser, Stale: true},
	{Name: EventUpdateUser, Stale: true},
	{Name: EventDeleteUser, EndsSessions: OfSubject},
	{Name: EventEraseUser, Stale: true},
	{Name: EventPutUserExpiration},
	{Name: EventRegisterEndpoint},
	{Name: EventUpdateEndpoint},
	{Name: EventDeregisterEndpoint},
	{Name: EventCreateBot, Stale: true},
	{Name: EventUpdateBot, Stale: true},
	{Name: EventDeleteBot},
	{Name: EventCreateAdmin},
	{Name: EventDeleteAdmin},
	{Name: EventCreateFlow},
	{Name: EventUpdateFlow},
	{Name: EventDeleteFlow},
	{Name: EventCreateWebhook},
	{Name: EventUpdateWebhook},
	{Name: EventDeleteWebhook},

	{Name: EventProcessorFailure, Notice: "Chime ChannelFlow Processing Status"},
	{Name: EventBotFailure, Notice: "Chime Messaging AppInstanceBot Lex Failure"},
	{Name: EventPushFailure, Notice: "Chime Messaging AppInstanceUserEndpoint Delivery Failure"},
	{Name: EventWebhookDisabled, Notice: "Carillon Webhook Disabled", NoticeSource: "carillon"},
	{Name: EventExpireChannel, ServiceEvent: "ExpireChannel"},
	{Name: EventExpireUser, ServiceEvent: "ExpireAppInstanceUser"},

	{Name: EventUpdateAccount, Permits: true},
	{Name: EventUpdateAppInstances, ListsApps: true},
	{Name: EventPutPoolIdentity},
}
