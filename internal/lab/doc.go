// Package lab runs nodes and talks to them, for tests and programs that look at the product as a whole: a node inside the process
// or in one of its own, signed calls without an SDK, WebSockets frame by frame, and a log that can be read while it is written.
//
// What it promises:
//
//   - Whatever it starts ends with the test or the context that it was started with, and leaves no goroutine, process or connection.
//   - It waits for conditions and for contexts, never for a time.
//   - Requests and frames go over real sockets, as a client of AWS sends and receives them: nothing looks inside the node.
//   - A call returns what was answered, refusals too: what is right is for the caller to say.
//
// Nothing of the binary imports it.
package lab
