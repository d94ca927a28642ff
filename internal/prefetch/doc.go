// Package prefetch sends a client that connects what it would otherwise fetch channel by channel
// (spec 4.7): which channels to begin with, and of each the latest messages, the first members and
// what is unread.
//
// What it promises: a channel's details are one moment of the store and hold nothing that the user
// could not list as a member of it; the memory that it takes does not grow with the number of
// channels, members or messages.
package prefetch
