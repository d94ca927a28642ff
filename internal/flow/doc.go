// Package flow keeps channel flows: the processors that the messages of a channel pass before its members
// see them, and which channels have which flow; and it runs them (spec 7).
//
// What it promises: a flow that a channel has is never deleted; a channel has one flow at most; only a
// caller that manages a channel changes its flow. A processor is invoked for every message that waits for
// it, at least once, also after a crash; those of one channel in their order, as long as it answers soon.
// One that cannot be invoked is tried three times in about half a minute, and then its fallback action is
// taken. What becomes of a message with each answer is decided in package message, in one transaction.
package flow
