// Package presence sends clients which members of a channel are online. It promises:
//
//   - An app instance has it when its tag or the settings name it, and only sessions that ask for it
//     get its events: clients of AWS see none.
//   - It shows the users that a member list shows: hidden members are never shown online.
//   - Changes are gathered, and a channel gets one event with all of them at most once an interval. The
//     event is true at that moment. No change is lost, and a user that comes back within an interval
//     did not go.
//   - A session, and a user that becomes a member, gets a snapshot of the channel before the changes that
//     follow it.
//   - Memory is bounded by the users that are online, or have just gone, and their memberships.
//   - An app instance that cannot be read delays no other.
//
// Three types have a part each, so that reports of other nodes can be added to the first without a
// change of the others: sessions is the users that are online on this node, board the users that are
// shown in the channels of an app instance, Service sends the events.
package presence
