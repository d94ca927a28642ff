// Package wsconn is the WebSocket transport of messaging sessions: GET /connect, RFC 6455 on
// the server's side, keep-alive, and orderly ends. It carries sessions of the hub and knows
// nothing of what is in their frames.
//
// What it promises:
//
//   - A request that is no proper upgrade gets an HTTP error. A proper one gets its 101 first
//     and is authenticated afterwards; a refusal is a close frame, because clients decide by
//     its code whether to come back (spec 4.2).
//   - Frames go out whole, in the order in which the session gave them, those that wait
//     together in one write. Control frames go between frames, never into one.
//   - Nobody waits for a peer: the calls of the hub return at once, a write that makes no
//     progress ends the connection after a limit, and so does every wait for a close frame.
//   - What clients send is checked as RFC 6455 demands, bounded, and then dropped (spec 4.3).
//   - An idle connection holds one goroutine, a few hundred bytes and no timer. Pings and the
//     end of credentials are the work of one sweeping goroutine for all.
//   - The query of /connect holds a signature and maybe a session token; it is never logged
//     and not kept after authentication.
//
// Who may end a connection: the hub (Transport.Close), the client, the sweeper (no pong,
// credentials expired), a breach of the protocol, and Shutdown. Whoever is first decides the
// close code. The reading goroutine alone closes the socket and detaches the session.
//
// This is the portable engine: a goroutine reads each connection, and a short-lived one
// writes while there is something to write. decoder (bytes in, control frames out), conn's
// state and the wheel do not know that, so that an engine built on readiness can drive them.
package wsconn
