// Package outbox is the queue of one session: frames that the roster puts in and the transport takes
// out. It knows frames, the events that they are of, and neither rosters nor sockets.
//
// What it promises:
//
//   - Frames are taken in the order in which they were pushed; what is read for the session, such as
//     what it missed, goes out ahead of them, a piece at a time, and the next piece is read when the
//     last was taken. A slow reader holds one piece, and a thousand that come back no more than they
//     can take.
//   - A queue holds a bounded number of bytes. A push that finds no room says so, except while the
//     queue is held for a replay: then it drops what it holds, because the log has that too, and the
//     replay goes on to a later position.
//   - What was removed is in no frame that is taken after Group.Remove.
//   - Push, Take and Close never wait for a reader of the store or for a peer. Each method locks and
//     unlocks the queue itself; Ready is called without the lock.
package outbox
