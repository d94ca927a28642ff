// Package presence tells clients who of a channel is online. It promises:
//
//   - An app instance has it when its tag or the settings name it, and only sockets that ask get its
//     events: clients of AWS see none.
//   - It shows the users that a member list shows: hidden members are never shown online.
//   - Changes are gathered, and a channel is sent one event with all of them at most once an interval. What
//     it says is true at that moment. No change is lost, and a user who comes back within an interval
//     did not go.
//   - A session, and a user who becomes a member, is sent who is online there before it is sent the changes
//     that follow.
//   - What it holds is bounded by the users who are online or have just gone, and their memberships.
//   - An app instance that cannot be read delays no other.
//
// Three types have a part each, so that reports of other nodes can be added to the first without
// touching the others: sessions knows which users are online on this node, board who is shown in
// the channels of an app instance, Service sends it.
package presence
