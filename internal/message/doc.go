// Package message sends, lists and changes the messages of channels.
//
// What it promises: a persistent message is on disk before its id is answered; the history of a
// channel, its events and its message ids have one order; creation times never go backwards in a
// channel; a message that is not persistent is announced in the same order and written nowhere; a
// targeted message exists only for its sender and its target, one that waits for a channel flow or
// has failed in it only for its sender, and one that is past the retention of its app instance for
// no caller.
package message
