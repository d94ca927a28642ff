// Package client is the Go SDK of Carillon: signed, typed calls for every operation of the
// messaging and identity APIs, and Session, a WebSocket that stays connected.
//
// What it promises:
//
//   - A call is signed for the key that the provider supplies, tried again with full jitter when the
//     server is throttling, failing or away, and ends with its context. A call that creates
//     something carries a token, the same in each try, so that it acts once.
//   - An answer that is a refusal is an *Error with the name of the exception.
//   - A Session hands out events in the order in which the server sent them. Between its sockets
//     nothing is lost and nothing comes twice as long as the server keeps its log; when the server
//     cannot continue, an event of the type SESSION_NOT_RESUMED says so before anything newer.
//   - A Session reconnects as amazon-chime-sdk-js does: it fetches the endpoint again, signs with
//     fresh credentials, waits with full jitter and gives up after a configurable time or at once
//     when the server says that trying again is useless (spec 4.9).
//   - The caller's pace is the pace: a Session reads no more than a few events ahead. A caller that is
//     slower than the server allows is disconnected by it and resumes.
//   - After Close no goroutine and no connection of a Session is left.
//
// "spec 4.9" is a section of docs/spec in the repository of the server.
//
// Resuming, presence, typing and unread counts are extensions of Carillon. With a server that has
// none of them, everything else works.
package client
