// Package replay finds in the log what a user has missed: the very events that its session would
// have got between two positions. It goes through the log as the roster goes through it live, with
// the memberships that the user had then, and finds the user's events by their traces. It knows a
// reader of the store and no session.
//
// What it promises:
//
//   - Each event that concerned the user is given once, in the order of the log, or none at all with
//     the reason: it is proved that the log has everything before the first event is given.
//   - What is read at once is bounded: about the bytes that the caller asks for.
package replay
