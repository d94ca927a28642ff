// Command pgchat is a chat server as a team would write it in a week over PostgreSQL, for bench/peers to
// compare with: HTTP for sends and history, a WebSocket for each user that is online, and one INSERT for
// each message, answered when PostgreSQL has committed it.
//
//	pgchat -listen 127.0.0.1:8080 -database "host=/run/postgresql user=chat" -secret S
//
// It is a module of its own, so that the product depends on neither its driver nor its WebSocket library:
//
//	cd bench/pgchat && go build -o /tmp/pgchat .
//
// It is fair to what it stands for: prepared statements over a pool of connections, members of channels
// in memory, an event encoded and framed once for all its receivers, and a goroutine with a bounded queue
// for each socket. It has one node, no quotas and no administration.
//
//	POST /channels                        {"id": 1, "members": [2, 3]}; the measurement's own, without a token
//	POST /channels/{id}/messages          {"text": "..."}, by a member
//	GET  /channels/{id}/messages?limit=50 the latest, or those before=ID, by a member
//	GET  /connect?history=20              a WebSocket; with the latest messages and the members of the
//	                                      user's channels, when history is given
//
// Callers show a JWT signed with HMAC and SHA-256, whose subject is the number of a user.
package main
