package chime

// The records of what bots do. They follow the rules of record.go.

// BotTurn is something that a bot has to do, from the event that causes it until it is done.
type BotTurn struct {
	Do      BotTask      `cbor:"1,keyasint"`
	Bot     string       `cbor:"2,keyasint"` // id
	Channel ChannelEntry `cbor:"3,keyasint"`
	Session string       `cbor:"4,keyasint"`           // id of the conversation
	Message string       `cbor:"5,keyasint,omitempty"` // id of the message that BotAnswers
	// Alias, an ARN, and Locale are those that the bot had. A conversation is left under them; otherwise
	// those that the bot has when its turn comes count.
	Alias  string `cbor:"6,keyasint,omitempty"`
	Locale string `cbor:"7,keyasint,omitempty"`
	// Reply is the id of the message in which the answer is being written.
	Reply string `cbor:"8,keyasint,omitempty"`
}

// BotTask is what a bot has to do. Its numbers are stored.
type BotTask uint8

// The tasks of bots.
const (
	BotAnswers BotTask = 1 // a message
	BotGreets  BotTask = 2 // the channel that it has joined
	BotLeaves  BotTask = 3 // a conversation, with the channel
)

// BotSession is a conversation that a bot may have begun in a channel.
type BotSession struct {
	Alias  string `cbor:"1,keyasint"` // ARN
	Locale string `cbor:"2,keyasint"`
	Sub    string `cbor:"3,keyasint,omitempty"` // sub-channel
}
