package chime

import "github.com/carillon-chat/carillon/internal/api/messaging"

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
}

// User is an app instance user.
type User struct {
	ID         string      `cbor:"1,keyasint"`
	Name       string      `cbor:"2,keyasint"`
	Metadata   string      `cbor:"3,keyasint,omitempty"`
	Created    Millis      `cbor:"4,keyasint"`
	Updated    Millis      `cbor:"5,keyasint"`
	Expiration *Expiration `cbor:"6,keyasint,omitempty"`
	Order      uint64      `cbor:"7,keyasint"` // place of creation: lists are in order of creation
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
}

// Channel is a standard channel. UID tells it from an earlier channel of the same id: what
// belongs to a channel is kept under the UID, so a channel made again inherits nothing.
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
}

// Activity is what every send to a channel changes, apart from the channel so that the
// channel's own record is not written again for each message.
type Activity struct {
	// Position is the number of messages that ever took a place in the channel.
	Position uint64 `cbor:"1,keyasint"`
	// Clock is the creation time of the latest message of any kind; creation times never go
	// backwards in a channel.
	Clock Millis `cbor:"2,keyasint"`
	// LastMessage is the creation time of the latest persistent message that every member may see.
	LastMessage Millis `cbor:"3,keyasint,omitempty"`
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
}

// Place leads from a user's list to a channel. It is stale when the channel of that id has
// another UID by now.
type Place struct {
	ChannelID string `cbor:"1,keyasint"`
	UID       string `cbor:"2,keyasint"`
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
	Value   string `cbor:"2,keyasint"`
	Expires Millis `cbor:"3,keyasint"`
}

// Tag is one tag of a resource.
type Tag struct {
	Key   string `cbor:"1,keyasint"`
	Value string `cbor:"2,keyasint"`
}

// Task is work that was begun by a commit and goes on in later ones: it is found again after
// a restart.
type Task struct {
	Kind string `cbor:"1,keyasint"`
	App  string `cbor:"2,keyasint"`
	Ref  Ref    `cbor:"3,keyasint,omitempty"`
	// Order limits the work to what was there when it began.
	Order uint64 `cbor:"4,keyasint"`
}
