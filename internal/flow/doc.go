// Package flow keeps channel flows: the processors that the messages of a channel pass before
// its members see them, and which channels have which flow (spec 7).
//
// What it promises: a flow that a channel has is never deleted; a channel has one flow at most;
// only a caller that manages a channel changes its flow. It does not run processors: what becomes
// of a message meanwhile is decided in package message.
package flow
