// Package extras tells clients what AWS does not: who of a channel is online, who is typing, and
// how many messages are unread. It promises:
//
//   - An app instance has an extra when its tag carillon:extras or the setting extras names it, and
//     only sockets that ask get its events: clients of AWS see none.
//   - Presence shows whom a member list shows: hidden members are never shown online.
//   - Changes of presence and of unread counts are gathered and told at most once an interval for a
//     channel or a membership, however many there were. What is told is true at that moment.
//   - A count of unread messages is exact.
//   - Typing is stored nowhere. It is told for those alone who might send a message there, and too
//     much of it is dropped.
//
// Presence and typing know the sockets of their own node only.
package extras
