// Package unread counts the unread messages of members, and sends the counts to sessions that ask for
// them. It promises:
//
//   - Unread are the persistent STANDARD messages of others that the member sees, that are not redacted
//     and whose position is after its read marker, all when it has none.
//   - A count is exact at a position of the log, and a session gets it behind the events up to there.
//   - A count is sent when it has changed or may have, at most once an interval for each membership.
//   - Memory is bounded by the memberships of users with a session that gets counts.
//   - A count that cannot be read delays no other.
package unread
