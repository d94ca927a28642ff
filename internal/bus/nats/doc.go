// Package nats is a bus over NATS, for nodes that share a database. It carries the ephemeral events of an app
// instance on the subject PREFIX.live.APP, and what nodes have committed on PREFIX.log.APP, so that the others
// need not ask the database.
//
// NATS carries and keeps nothing: a message may be lost, and the log is the truth.
//
//   - Nothing waits for NATS. What is sent waits in a bounded queue, and is lost when that is full or NATS
//     is away.
//   - The app instances that a node receives are those that it follows or has subscribed to.
//   - What was lost of a log is never missing: its readers see the gap by the positions, or learn by Behind
//     that there may be one, and read the log. Until they do, a loss costs time.
//   - A node does not get its own messages, and no message twice.
//
// A program that may publish on these subjects can show events to users that no call made: NATS belongs to the
// nodes as their database does.
package nats
