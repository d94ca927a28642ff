package flow

import (
	"context"

	"github.com/carillon-chat/carillon/internal/follow/lanes"
	"github.com/carillon-chat/carillon/internal/message"
)

// Invocation is one call of a processor.
type Invocation struct {
	Lambda   string // ARN of the processor
	Callback string // CallbackId: the same each time that the invocation is tried
	Event    []byte // JSON
}

// Invoker invokes processors at one end. Implementations are pointers: as many invocations run at once at
// each of them as Runner allows.
type Invoker interface {
	// Invoke hands an event to a processor. The answer is the body of a ChannelFlowCallback, or nil when
	// the processor will call back. An error is worth another attempt.
	Invoke(ctx context.Context, call Invocation) (answer []byte, err error)
}

// Ends finds the Invoker for the Lambda ARN of a processor, nil when there is none.
type Ends func(lambda string) Invoker

// maxQueued bounds the invocations of stored messages that a node has in memory.
const maxQueued = 10_000

// lane is where invocations are made one after another: a channel, or a sub-channel.
type lane struct{ app, channel, sub string }

func laneOf(w message.Waiting) lane { return lane{w.App, w.Channel.UID, w.Channel.Sub} }

// Queue holds the invocations that are to be made. It is what package message needs of processors, and is
// safe for concurrent use.
type Queue struct {
	ends  Ends
	lanes *lanes.Queue[lane, message.Waiting]
}

// NewQueue makes a Queue for the processors that ends finds.
func NewQueue(ends Ends) *Queue {
	return &Queue{ends, lanes.New(lanes.Options[lane, message.Waiting]{
		Most: maxQueued, Lane: laneOf,
		Key:    func(w message.Waiting) string { return w.Callback },
		Stored: func(w message.Waiting) bool { return !w.Live }, // of live ones there are few
	})}
}

// Reaches implements message.Processors.
func (q *Queue) Reaches(lambda string) bool { return q.ends(lambda) != nil }

// Invoke implements message.Processors.
func (q *Queue) Invoke(w message.Waiting) { q.lanes.Add(w) }
