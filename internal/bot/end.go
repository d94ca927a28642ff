package bot

import (
	"context"
	"encoding/json"
	"time"
)

// Session is a conversation of a bot.
type Session struct {
	ID         string // UUID
	Alias      string // ARN of the Lex bot alias
	Locale     string // such as en_US
	ChannelARN string
}

// Question is a message that a bot has to answer.
type Question struct {
	Session
	Key                   string // UUID, the same each time that the question is asked
	Text                  string
	SenderARN, SenderName string
	// History returns up to so many of the messages before, the latest last: those that all members in
	// the conversation could see. They may be fewer.
	History func(ctx context.Context, most int) ([]Line, error)
}

// Line is a message of the history.
type Line struct {
	Sender string // ARN
	Name   string // of the sender
	Mine   bool   // the bot sent it
	Text   string
}

// Answer is what a bot says, as Lex has it (spec 8.5).
type Answer struct {
	Messages []json.RawMessage // with the member names of channel messages
	Intent   string            // name, empty for none
	State    string            // of the intent, such as Fulfilled
}

// End is where bots are asked: an Answerer or a Writer. It is safe for concurrent use, and what it does may
// be asked for again after a failure or a crash. Errors that are a *Failure say what members get to know,
// and whether to ask again. Implementations are pointers: a bounded number of calls runs at once at each of them.
type End interface {
	// Greet begins a conversation with an intent. Nil says nothing.
	Greet(ctx context.Context, s Session, intent string) (*Answer, error)
	// Leave ends a conversation.
	Leave(ctx context.Context, s Session) error
}

// Answerer is an End that answers with messages.
type Answerer interface {
	End
	// Answer answers a message.
	Answer(ctx context.Context, q Question) (Answer, error)
}

// Writer is an End that answers with a text, which comes piece by piece.
type Writer interface {
	End
	// Write hands pieces of UTF-8 text to piece until the answer is complete.
	Write(ctx context.Context, q Question, piece func(string)) error
}

// Ends finds the End of a bot by the ARN of its Lex bot alias, nil when there is none: then the bot is
// silent.
type Ends func(alias string) End

// Failure is why a bot cannot answer.
type Failure struct {
	Code   int           // that members get to know: an HTTP status, such as 403 or 429
	Reason string        // for the operator; it holds nothing of messages and no secrets
	Again  bool          // another attempt may succeed
	After  time.Duration // before it, when the end says so
}

// Error is the reason.
func (f *Failure) Error() string { return f.Reason }
