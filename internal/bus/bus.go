// Package bus is the contract of what carries ephemeral events, which no log has, to the nodes that have
// users of their app instance online.
//
// What every bus promises, and bustest shows:
//
//   - A subscription gets what is published to its app instance after Subscribe has returned, in the
//     order in which Publish was called for it, each message at most once.
//   - In the process that publishes, a subscription has the message when Publish returns.
//   - Nothing waits for a subscription. One that is not polled keeps a bounded amount and loses the
//     oldest beyond it; a bus that is away loses messages. Nothing but ephemeral events may go this way.
//
// A Stream puts the messages of a subscription and the events of the log into one order.
package bus

import "github.com/carillon-chat/carillon/internal/chime"

// Message is what one call of Publish sends. Receivers share the events and must not change them.
type Message struct {
	// After is a position of the app instance's log: the events belong behind those up to it.
	After  uint64
	Events []*chime.Event
}

// Publisher sends ephemeral events.
type Publisher interface {
	// Publish sends the events, which stay the caller's, to the subscriptions of an app instance. They
	// reach users after the events of the log up to a position, usually that of the moment in which
	// they were decided.
	Publish(app string, after uint64, events ...chime.Event)
}

// Bus carries ephemeral events. It is safe for concurrent use.
type Bus interface {
	Publisher
	// Subscribe begins to collect what is published to an app instance.
	Subscribe(app string) Subscription
}

// Subscription collects messages. It belongs to one goroutine.
type Subscription interface {
	// Poll returns the messages that came since the last call, or else a channel that is closed when
	// there are more.
	Poll() (messages []Message, wake <-chan struct{})
	// Close ends the collecting. It may be called again.
	Close()
}

// Own returns copies of the events that are marked as ephemeral, for a bus to keep.
func Own(events []chime.Event) []*chime.Event {
	all := make([]chime.Event, len(events))
	own := make([]*chime.Event, len(events))
	for i := range events {
		all[i] = events[i]
		all[i].Ephemeral = true
		own[i] = &all[i]
	}
	return own
}
