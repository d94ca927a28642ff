package chime

import (
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// The records below are kept in the store as CBOR maps with the integer keys of their tags.
// A key is never reused; a new member takes a new key and its zero value must mean "as before".

// AppInstance is the root that everything of one application hangs from.
type AppInstance struct {
	ID       string `cbor:"1,keyasint"`
	Name     string `cbor:"2,keyasint"`
	Metadata string `cbor:"3,keyasint,omitempty"`
	Created  Millis `cbor:"4,keyasint"`
	Updated  Millis `cbor:"5,keyasint"`
	Order    uint64 `cbor:"6,keyasint"` // place of creation
	// Retention, when set, is how long messages can be seen.
	Retention *Retention `cbor:"7,keyasint,omitempty"`
}

// Retention is how many days messages of an app instance can be seen, and from when on older ones
// are removed permanently.
type Retention struct {
	Days     int    `cbor:"1,keyasint"`
	Deletion Millis `cbor:"2,keyasint"`
	// Hidden is the time before which messages were hidden when the setting was answered. They stay
	// hidden whatever is done to the clock; zero in settings of before it was noted.
	Hidden Millis `cbor:"3,keyasint,omitempty"`
}

// Before is the time before which messages are hidden, by a clock that says now.
func (r *Retention) Before(now Millis) Millis {
	return max(r.Hidden, now-Millis(r.Days)*day)
}

// Gone is the time before which messages are removed permanently, on a date that can be relied upon; zero
// while none are. A nil Retention keeps all.
func (r *Retention) Gone(date Millis) Millis {
	if r == nil || date < r.Deletion {
		return 0
	}
	return max(0, date-Millis(r.Days)*day)
}

const day = Millis(24 * time.Hour / time.Millisecond)

// User is an app instance user.
type User struct {
	ID         string      `cbor:"1,keyasint"`
	Name       string      `cbor:"2,keyasint"`
	Metadata   string      `cbor:"3,keyasint,omitempty"`
	Created    Millis      `cbor:"4,keyasint"`
	Updated    Millis      `cbor:"5,keyasint"`
	Expiration *Expiration `cbor:"6,keyasint,omitempty"`
	Order      uint64      `cbor:"7,keyasint"` // place of creation: lists are in order of creation
	// Asked is a hash of the Name and Metadata that the user was made with; records of before it was
	// kept have none.
	Asked []byte `cbor:"8,keyasint,omitempty"`
}

// Bot is an app instance bot.
type Bot struct {
	ID       string `cbor:"1,keyasint"`
	Name     string `cbor:"2,keyasint,omitempty"`
	Metadata string `cbor:"3,keyasint,omitempty"`
	Lex      Lex    `cbor:"4,keyasint"`
	Created  Millis `cbor:"5,keyasint"`
	Updated  Millis `cbor:"6,keyasint"`
	Order    uint64 `cbor:"7,keyasint"` // place of creation
}

// UserProfile and BotProfile are what is read most often of a User and of a Bot.
type (
	UserProfile struct {
		Name    string `cbor:"2,keyasint"`
		Created Millis `cbor:"4,keyasint"`
		Order   uint64 `cbor:"7,keyasint"`
	}
	BotProfile struct {
		Name    string `cbor:"2,keyasint,omitempty"`
		Created Millis `cbor:"5,keyasint"`
		Order   uint64 `cbor:"7,keyasint"`
	}
)

// Lex is how a bot is reached and what it answers (spec 8.5), as it was configured.
type Lex struct {
	AliasARN         string `cbor:"1,keyasint"`
	LocaleID         string `cbor:"2,keyasint"`
	WelcomeIntent    string `cbor:"3,keyasint,omitempty"`
	RespondsTo       string `cbor:"4,keyasint,omitempty"`
	StandardMessages string `cbor:"5,keyasint,omitempty"` // of InvokedBy; empty when that is absent
	TargetedMessages string `cbor:"6,keyasint,omitempty"`
}

// Endpoint is a device of a user that takes push notifications.
type Endpoint struct {
	ID            string `cbor:"1,keyasint"`
	Name          string `cbor:"2,keyasint,omitempty"`
	Type          string `cbor:"3,keyasint"`
	ResourceARN   string `cbor:"4,keyasint"`
	DeviceToken   string `cbor:"5,keyasint"`
	VoipToken     string `cbor:"6,keyasint,omitempty"`
	AllowMessages string `cbor:"7,keyasint"`
	Status        string `cbor:"8,keyasint"`
	StatusReason  string `cbor:"9,keyasint,omitempty"`
	Created       Millis `cbor:"10,keyasint"`
	Updated       Millis `cbor:"11,keyasint"`
	Order         uint64 `cbor:"12,keyasint"` // place of creation
}

// EndpointEntry leads from a device to its endpoint.
type EndpointEntry struct {
	Ref Ref    `cbor:"1,keyasint"`
	ID  string `cbor:"2,keyasint"`
}

// Admin is the role of app instance admin, held by a user or a bot.
type Admin struct {
	Ref     Ref    `cbor:"1,keyasint"`
	Created Millis `cbor:"2,keyasint"`
	Order   uint64 `cbor:"3,keyasint"` // place of creation
}

// Expiration says when a channel or user is deleted by itself.
type Expiration struct {
	Days      int    `cbor:"1,keyasint"`
	Criterion string `cbor:"2,keyasint"`
	// Due is the time under which the channel or user is on the list of what expires: it does not
	// expire earlier, and may later. Zero in records from before there was the list.
	Due Millis `cbor:"3,keyasint,omitempty"`
}

// After is when it expires, counted from a time that the criterion names.
func (e *Expiration) After(from Millis) Millis { return from + Millis(e.Days)*day }

// Channel is a standard or an elastic channel. UID distinguishes it from an earlier channel of the
// same id: what belongs to a channel is kept under the UID, so a channel made again inherits
// nothing.
type Channel struct {
	ID         string                   `cbor:"1,keyasint"`
	UID        string                   `cbor:"2,keyasint"`
	Name       string                   `cbor:"3,keyasint"`
	Mode       messaging.ChannelMode    `cbor:"4,keyasint"`
	Privacy    messaging.ChannelPrivacy `cbor:"5,keyasint"`
	Metadata   string                   `cbor:"6,keyasint,omitempty"`
	CreatedBy  Ref                      `cbor:"7,keyasint"`
	Created    Millis                   `cbor:"8,keyasint"`
	Updated    Millis                   `cbor:"9,keyasint"`
	Expiration *Expiration              `cbor:"10,keyasint,omitempty"`
	Order      uint64                   `cbor:"11,keyasint"` // place of creation
	Elastic    *Elastic                 `cbor:"12,keyasint,omitempty"`
	Flow       string                   `cbor:"13,keyasint,omitempty"` // id of the channel flow
}

// Activity is what every send to a channel changes, apart from the channel so that the
// channel's own record is not written again for each message.
type Activity struct {
	// Position is the number of messages that ever took a place in the channel.
	Position uint64 `cbor:"1,keyasint"`
	// Clock is the time in the id of the latest message of any kind. It never goes back in a
	// channel, because ids are the order of the history.
	Clock Millis `cbor:"2,keyasint"`
	// LastMessage is the creation time of the latest persistent message that every member may see.
	LastMessage Millis `cbor:"3,keyasint,omitempty"`
	// Ahead is by how much Clock is later than the latest creation time or read marker. It is not
	// zero after the clock of the machine was far ahead and was set right: ids cannot go back, and
	// the times that are shown do (Millis.NotBefore). MostAhead is the most it ever was.
	Ahead     Millis `cbor:"4,keyasint,omitempty"`
	MostAhead Millis `cbor:"5,keyasint,omitempty"`
	// Unseen is the number of messages after LastMessage: those that not every member may see.
	Unseen uint64 `cbor:"6,keyasint,omitempty"`
	// Marked reports that a read marker has the latest time, so the next message gets a later one.
	Marked bool `cbor:"7,keyasint,omitempty"`
}

// LastPosition is the position of LastMessage.
func (a *Activity) LastPosition() uint64 { return a.Position - min(a.Unseen, a.Position) }

// Send takes the next position for a message and answers the time of its creation.
func (a *Activity) Send(now Millis) Millis {
	at := now.NotBefore(a.latest())
	if a.Marked && at == a.latest() {
		at++
	}
	a.Position++
	a.Unseen++ // until it is seen
	a.reach(at)
	a.Marked = false
	return at
}

// Mark answers the time of a read marker that is set now: what was sent is not later, and what will
// be sent is.
func (a *Activity) Mark(now Millis) Millis {
	at := now.NotBefore(a.latest())
	a.reach(at)
	a.Marked = true
	return at
}

func (a *Activity) latest() Millis { return a.Clock - a.Ahead }

func (a *Activity) reach(at Millis) {
	a.Clock = max(a.Clock, at)
	a.Ahead = a.Clock - at
	a.MostAhead = max(a.MostAhead, a.Ahead)
}

// Membership is a user's or bot's membership of a channel.
type Membership struct {
	Ref          Ref                             `cbor:"1,keyasint"`
	Type         messaging.ChannelMembershipType `cbor:"2,keyasint"`
	InvitedBy    Ref                             `cbor:"3,keyasint"`
	Created      Millis                          `cbor:"4,keyasint"`
	Updated      Millis                          `cbor:"5,keyasint"`
	ReadMarker   Millis                          `cbor:"6,keyasint,omitempty"`
	LastTargeted Millis                          `cbor:"7,keyasint,omitempty"` // latest targeted message it may see
	// Order is the place of creation: lists are in order of creation.
	Order uint64 `cbor:"8,keyasint"`
	// Sub is the sub-channel, of a membership of an elastic channel.
	Sub         string       `cbor:"9,keyasint,omitempty"`
	Preferences *Preferences `cbor:"10,keyasint,omitempty"`
	// FirstUnread is the position in the channel of the first message after ReadMarker, and ReadClock
	// the time that its id has at least. FirstUnread is zero without a marker, and in records from
	// before it was kept: those go by ReadMarker.
	FirstUnread uint64 `cbor:"11,keyasint,omitempty"`
	ReadClock   Millis `cbor:"12,keyasint,omitempty"`
	// TargetedPosition is the position of the message of LastTargeted.
	TargetedPosition uint64 `cbor:"13,keyasint,omitempty"`
}

// Preferences say which messages of a channel are pushed to a member.
type Preferences struct {
	AllowNotifications messaging.AllowNotifications `cbor:"1,keyasint"`
	FilterRule         string                       `cbor:"2,keyasint,omitempty"`
}

// Ban keeps a user or bot out of a channel.
type Ban struct {
	Ref       Ref    `cbor:"1,keyasint"`
	CreatedBy Ref    `cbor:"2,keyasint"`
	Created   Millis `cbor:"3,keyasint"`
	Order     uint64 `cbor:"4,keyasint"`
}

// ChannelEntry leads from a user's list to a channel. It is stale when the channel of that id has
// another UID by now.
type ChannelEntry struct {
	ChannelID string `cbor:"1,keyasint"`
	UID       string `cbor:"2,keyasint"`
	Sub       string `cbor:"3,keyasint,omitempty"` // sub-channel, of a membership of an elastic channel
}

// Moderator is the role of channel moderator, held by a user or a bot.
type Moderator struct {
	Ref       Ref    `cbor:"1,keyasint"`
	CreatedBy Ref    `cbor:"2,keyasint"`
	Created   Millis `cbor:"3,keyasint"`
	Order     uint64 `cbor:"4,keyasint"`
}

// Message is a persistent channel message in its latest version.
type Message struct {
	ID          string                                  `cbor:"1,keyasint"`
	Sender      Ref                                     `cbor:"2,keyasint"`
	Type        messaging.ChannelMessageType            `cbor:"3,keyasint"`
	Persistence messaging.ChannelMessagePersistenceType `cbor:"4,keyasint"`
	Content     string                                  `cbor:"5,keyasint,omitempty"`
	Metadata    string                                  `cbor:"6,keyasint,omitempty"`
	ContentType string                                  `cbor:"7,keyasint,omitempty"`
	Attributes  map[string][]string                     `cbor:"8,keyasint,omitempty"`
	Target      Ref                                     `cbor:"9,keyasint,omitempty"`
	Created     Millis                                  `cbor:"10,keyasint"`
	Updated     Millis                                  `cbor:"11,keyasint"`
	Edited      Millis                                  `cbor:"12,keyasint,omitempty"`
	Redacted    bool                                    `cbor:"13,keyasint,omitempty"`
	Status      messaging.ChannelMessageStatus          `cbor:"14,keyasint"`
	Push        *Push                                   `cbor:"15,keyasint,omitempty"`
	Sub         string                                  `cbor:"16,keyasint,omitempty"` // sub-channel of an elastic channel
	Detail      string                                  `cbor:"17,keyasint,omitempty"` // of the status
	// After is the position of the log that the message came after: Sender and Target are the
	// holders of the ids at that position. Zero in records from before it was kept.
	After uint64 `cbor:"18,keyasint,omitempty"`
}

// Keys of members of a Message, for readers of no more of it.
const (
	MessageSender   = 2
	MessageType     = 3
	MessageTarget   = 9
	MessageCreated  = 10
	MessageRedacted = 13
	MessageStatus   = 14
	MessageAfter    = 18
)

// Flow is a channel flow: the processors that messages pass before members see them.
type Flow struct {
	ID         string      `cbor:"1,keyasint"`
	Name       string      `cbor:"2,keyasint"`
	Processors []Processor `cbor:"3,keyasint"` // in the order in which they run
	Created    Millis      `cbor:"4,keyasint"`
	Updated    Millis      `cbor:"5,keyasint"`
	Order      uint64      `cbor:"6,keyasint"` // place of creation
}

// Processor is one step of a flow.
type Processor struct {
	Name           string                   `cbor:"1,keyasint"`
	Lambda         string                   `cbor:"2,keyasint"` // ARN
	ExecutionOrder int                      `cbor:"3,keyasint"`
	FallbackAction messaging.FallbackAction `cbor:"4,keyasint"`
}

// Stream says where the events of one kind of an app instance are exported to.
type Stream struct {
	DataType messaging.MessagingDataType `cbor:"1,keyasint"`
	ARN      string                      `cbor:"2,keyasint"`
	// Since and Until are positions of the log between which events belong to the stream; Until is zero
	// while the app instance has it.
	Since uint64 `cbor:"3,keyasint,omitempty"`
	Until uint64 `cbor:"4,keyasint,omitempty"`
}

// Carries reports whether an event of the log belongs to the stream.
func (s *Stream) Carries(e *Event) bool {
	return e.IsStreamed() && e.Kind().Stream == s.DataType && e.Position > s.Since && (s.Until == 0 || e.Position < s.Until)
}

// Push is the notification that goes with a message.
type Push struct {
	Title string                         `cbor:"1,keyasint,omitempty"`
	Body  string                         `cbor:"2,keyasint,omitempty"`
	Type  messaging.PushNotificationType `cbor:"3,keyasint,omitempty"`
}

// Reply is what a call with a client request token answered, kept for a while so that
// repeating the call answers the same and changes nothing.
type Reply struct {
	// Request is a hash of the parameters: the same token with others is a conflict.
	Request []byte `cbor:"1,keyasint"`
	// Value is what the operation needs to answer again: an id or an ARN.
	Value string `cbor:"2,keyasint"`
	// Expires is in milliseconds of store time.
	Expires int64 `cbor:"3,keyasint"`
	// UID and Since are what names in the scope of the call stood for: a channel, and the bearer by the
	// position of the log at which it was made.
	UID   string `cbor:"4,keyasint,omitempty"`
	Since uint64 `cbor:"5,keyasint,omitempty"`
}

// Tag is one tag of a resource.
type Tag struct {
	Key   string `cbor:"1,keyasint"`
	Value string `cbor:"2,keyasint"`
}

// TagsOf turns the tags of a request into those that are kept.
func TagsOf[T ~struct{ Key, Value string }](tags []T) []Tag {
	kept := make([]Tag, len(tags))
	for i, tag := range tags {
		kept[i] = Tag(tag)
	}
	return kept
}

// Task is work that was begun by a commit and goes on in later ones: it is found again after
// a restart.
type Task struct {
	Kind string `cbor:"1,keyasint"`
	App  string `cbor:"2,keyasint"`
	Ref  Ref    `cbor:"3,keyasint,omitempty"`
	// Order limits the work to what was there when it began.
	Order uint64 `cbor:"4,keyasint"`
	// Created is when it began, zero in records from before that was kept; Lease names the node
	// that does it.
	Created Millis `cbor:"5,keyasint,omitempty"`
	Lease   Lease  `cbor:"6,keyasint,omitempty"`
}
