// Package follow is the kit for everything that works off the log: each Follower is handed the events
// of every app instance, at its own pace, and remembers how far it has come. It promises:
//
//   - Every event is handled at least once, in the order of the log, and none is skipped: a position is
//     written after the events up to it were handled or became dead letters. A follower that the log
//     was trimmed ahead of logs and counts what it lost, and goes on at the log's beginning.
//   - Key names an event's effect, so that a receiver can recognise one that was sent twice.
//   - For each follower and app instance one node works at a time. Which one says a lease with a fencing
//     number, and Options.Nodes which nodes live; what a node writes that was frozen or cut off, and whose
//     lease another took, fails with ErrFenced. A node that has its store for itself writes a lease once.
//   - Of several nodes each has its share of the app instances. A follower moves while it has nothing to do.
//   - A batch that fails is tried again with growing waits and split down to the event that fails. After
//     Follower.MaxAttempts that event becomes a dead letter and the follower goes on. Until then the
//     later events of that app instance wait, so that the order holds within every channel.
//   - Followers and app instances never wait for each other, and none of them for the hub: a follower that
//     always fails delays nothing else.
//   - A follower without events to handle writes nothing.
//   - With an app instance ends the work in it: what was not handled before its deletion is not.
//
// Content that was removed from a message is not handed out again: when a batch is retried, payloads
// are made anew from what the store holds.
package follow
