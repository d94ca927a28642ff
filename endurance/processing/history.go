// Package processing judges a run in which messages pass channel flows and events go to sinks, while the node and all that it
// calls are killed. A History is what the users did, and what sessions, lists, sinks and processors said; Judge compares these
// with each other and with the rules of spec 7 and 9.1. It knows nothing of the server, and has no clock and no I/O.
//
// It promises to report:
//
//   - an acknowledged message that is missing, doubled, or in another order, in a session, a list or a sink;
//   - a message or an edit that has no outcome, two of them, or one that its flow cannot give it;
//   - a message that was shown to a user before its processors had passed it, or though they did not;
//   - what is shown after its removal was answered;
//   - a mention of a bot that was not answered once, by the bot or by an error reply while the bot was away.
package processing

import "strings"

// Time is in nanoseconds of the machine's clock, which all processes of a run share.
type Time int64

// History is all that was done and seen in a run.
type History struct {
	Channels  []Channel
	Sends     []Send
	Edits     []Edit
	Removals  []Removal
	Sessions  []Session
	Sightings []Sighting
	Sinks     []Sink
	Verdicts  []Verdict
	Outages   []Outage
	Lists     []List   // at the end
	Statuses  []Status // at the end
}

// SubChannel is between the id of an elastic channel and that of a sub-channel: each of these is a channel of the history.
const SubChannel = "/"

// Channel is a channel whose members stay.
type Channel struct {
	ID      string
	Members []string // ids of users
	Flow    []Processor
	Bot     string // id of the bot that answers what mentions it; empty without one
}

// Processor is a step of a flow. It appends its name, as Tag says, to what it passes.
type Processor struct {
	Name    string
	Abort   bool   // its fallback action, instead of CONTINUE
	Missing bool   // it has no endpoint
	Process string // that it runs in
}

// Words of contents.
const (
	WordDeny = "deny" // the processor Denier denies it
	Denier   = "deny"
)

// Tag is what a processor appends to a content.
func Tag(processor string) string { return " +" + processor }

// answerPrefix begins the text of a bot's answer, before the marker of the message that mentions it.
const answerPrefix = "answer-to-"

// Answer is the text of a bot's answer to a message that mentions it.
func Answer(marker string) string { return answerPrefix + marker }

// Answered is the marker of the message that a bot's message answers. One that answers none says that the bot failed.
func Answered(content string) (marker string, is bool) {
	_, rest, is := strings.Cut(content, answerPrefix)
	if end := strings.IndexAny(rest, `" `); end >= 0 {
		rest = rest[:end]
	}
	return rest, is
}

// BotProcess is the process that bots are asked at.
const BotProcess = "bot"

// Send is an acknowledged message. The first word of its content marks it, and no other has it.
type Send struct {
	Channel, ID, Sender string
	Target              string // empty when the message is for all members
	Content             string
	Live                bool // it is not persistent
	Mentions            bool // the bot of the channel
	Began, Ended        Time
}

// Edit is a call that changed a message, or may have: one that was refused after an attempt without an answer.
type Edit struct {
	Message, Content string
	Accepted         bool
	Began, Ended     Time
}

// Removal is an acknowledged redaction or deletion.
type Removal struct {
	Message      string
	Began, Ended Time
}

// Event is what a session or a sink was given.
type Event struct {
	At       Time
	Position uint64 // in the log; 0 for a message that is not persistent
	// Part is which of the records of one event it is, counted from 0. For sessions it is how many users a batch has.
	Part    int
	Kind    string
	Channel string

	Message, Sender, Target, Content, Status string // of an event about a message
}

// Session is what one session of a user was given, over all its connections.
type Session struct {
	Name, User string
	Events     []Event
	Odd        []string // what no session may be given
}

// Sighting is a message in an answer to a user.
type Sighting struct {
	How          string // such as "a list"
	User         string
	Shown        Message
	Began, Ended Time // of the call
}

// Message is a message as an answer has it.
type Message struct{ Channel, ID, Sender, Target, Content, Status string }

// Sink is what a sink holds, in the order in which it was written.
type Sink struct {
	Name    string
	Records []Record
}

// Record is one event in a sink.
type Record struct {
	Key string
	Event
}

// What a processor did with an event.
const (
	Passed = "passed"
	Denied = "denied"
	Failed = "failed" // it answered that it cannot, or ended
	Took   = "took"   // it will call back
)

// Verdict is what a processor noted before it answered.
type Verdict struct {
	At              Time
	Processor       string
	Message, Marker string
	Did             string
}

// Outage is a time in which a process was away.
type Outage struct {
	Process  string
	From, To Time
}

// List is all that one user lists of a channel.
type List struct {
	Channel, User string
	Messages      []Message // the oldest first
}

// Status is what GetChannelMessageStatus answers the sender; empty when there is no message.
type Status struct{ Message, Value string }
