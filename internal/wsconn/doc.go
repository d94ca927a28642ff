// Package wsconn is the WebSocket transport of messaging sessions: GET /connect, RFC 6455 on
// the server's side, keep-alive, and orderly ends. It carries sessions of the hub and knows
// nothing of what is in their frames.
//
// What it promises:
//
//   - A request that is no proper upgrade, or whose query no client would send, gets an HTTP error.
//     A proper one gets its 101 first and is authenticated afterwards; a refusal is a close frame,
//     because clients decide by its code whether to come back (spec 4.2).
//   - Unauthenticated sockets delay no authenticated one: they are bounded, those of one address
//     more so, and refused ones wait for their peer in a queue of their own.
//   - Frames go out whole, in the order in which the session gave them, those that wait
//     together in one write. Control frames go between frames, never into one.
//   - No goroutine waits for a peer: the calls of the hub return at once, a write that makes no
//     progress ends the connection after a limit, and so does every wait for a close frame.
//   - What clients send is checked as RFC 6455 demands and bounded, each message and over time.
//     Texts go to sessions that have extras; everything else is dropped (spec 4.3).
//   - Compression (RFC 7692), when it is switched on and the client offers it, keeps no context: one
//     compressed form of an event serves all receivers, and a connection holds no memory for it.
//     A message may not be longer than the limit once it is inflated.
//   - An idle connection holds no timer, and with the engine that polls no goroutine and no
//     buffer. Pings, the end of credentials and of waits are the work of one sweeping goroutine
//     for all.
//   - The query of /connect holds a signature and maybe a session token; it is never logged
//     and not kept after authentication.
//
// A connection is ended by the hub (Transport.Close), the client, the sweeper (no pong, credentials
// expired, a wait that took too long), a breach of the protocol, or Shutdown. The first of them
// decides the close code. A connection has a reader and a writer; the one that ends last closes the
// socket and detaches the session.
//
// conn is the protocol: it decodes, answers, gathers batches and knows how far the end has come. A
// link moves its bytes, in one of two ways:
//
//   - EngineGoroutine: a goroutine reads each connection and a short-lived one writes while there
//     is something to write. It serves whatever is a net.Conn.
//   - EngineEpoll (Linux): the socket is taken out of net/http and watched by one of a few epoll
//     instances, each with one goroutine that reads and one that writes for all its connections. A
//     write that the peer does not take at once stays with the connection, at most one batch. TLS
//     runs in the process, above the same socket.
package wsconn
