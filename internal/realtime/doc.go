// Package realtime is the hub between the log of events and the sockets of online users. It
// knows no transport: a socket is a Transport, a pair of calls that never block.
//
// What it promises:
//
//   - After SESSION_ESTABLISHED a session gets every event that concerns its user, each once,
//     in the order of the log, for as long as it is attached; no event falls between the
//     moment the user's memberships were read and the first live one.
//   - Memberships change with the events themselves, in their order: a new member gets
//     the event of its own joining and all that follow, a removed one its own removal and
//     nothing after it.
//   - Of an elastic channel a user gets what happens in its sub-channels and, once, what happens
//     to the channel itself.
//   - A session that resumes gets the events that it missed before those that are live, each once
//     and in the order of the log, or is sent why it does not (docs/EXTENSIONS.md).
//   - What is missed or prefetched is read in pieces, the next when the last was taken.
//   - A session that may not connect any more is closed with 4401 within a second of the change of the
//     account; a failure of the store closes none.
//   - App instances do not wait for each other: each has a roster with a lock of its own.
//   - An event is encoded once and its bytes are shared by all receivers; once in each form, when
//     some ask for positions or compression.
//   - A receiver that does not read holds at most a bounded number of bytes; past it the
//     session is closed with 1011 and a client reconnects. It never delays the others.
package realtime
