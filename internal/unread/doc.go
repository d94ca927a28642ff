// Package unread knows what counts as unread.
//
// What it promises: unread are the persistent STANDARD messages of others that a member sees, that are
// not redacted and whose position is after the member's read marker, all when there is none. A count is
// exact at the position of the log that comes with it.
package unread
