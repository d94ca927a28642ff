// Package fastpath answers plain HTTP/1.1 requests with less work than net/http, and leaves
// everything else to it. A Listener stands between the network and an http.Server: it calls the
// server's handler for the requests that it answers itself, and Accept returns the connections that
// the server has to serve.
//
// It promises:
//
//   - net/http is the reference. A plain request is answered as the server would answer it, byte for
//     byte except for the date, under the server's timeouts and with its hooks.
//   - A request is plain when its head is whole within 4 KiB and 64 fields, ends its lines with CRLF,
//     has a method of the list in head.go, a target that begins with a slash, the version HTTP/1.1,
//     one Host, at most one Content-Length of digits, and no field that changes how the connection or
//     the body is read. A GET without a body may ask for a WebSocket. Whatever is not plain is never
//     answered here: the connection is handed over together with the bytes that were read of it, at
//     the first line that is not plain, and stays with the server.
//   - Bodies may have any length. They are read when the handler reads them, and what it leaves is
//     dropped or ends the connection as in net/http.
//
// What handlers have to know:
//
//   - The request, its header and URL, and the ResponseWriter are used again for the next request,
//     so a handler must not keep them after it has returned. Strings may be kept.
//   - The context of a request ends with the connection, not with the request. That the client has
//     gone is noticed once the handler has taken longer than 200 ms.
//   - A connection can be hijacked. There are no trailers or informational answers.
package fastpath
