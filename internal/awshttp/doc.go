// Package awshttp is the transport of the AWS APIs over HTTP: the REST APIs of
// messaging and identity, the forms of STS and IAM, and the targets of Cognito
// identity, all on one address.
//
// What it promises:
//
//   - No handler runs for a request that the gate did not let in. Routes live
//     behind the gate; the only way past it is the table of operations whose
//     model says that they carry no signature, and no REST operation may be in
//     that table.
//   - The order is: form of the signature, clock and key; size of the body;
//     signature, route, syntax, IAM, service (spec 2.5). The first that refuses
//     answers. No body is waited for, and no 100 Continue sent, before the
//     first of them, and the connection ends when a body is left unread. A form
//     alone is read without, up to MaxOpenBody, since only it names the
//     operation that may need no signature. A body that came with its head is
//     read first, so that its signature is looked at once.
//   - Every answer has the shape that the SDKs of its protocol read, errors
//     included, and a request id. There are no redirects and no text pages.
//   - A body is never longer in memory than the limit of its protocol, and all
//     bodies together never longer than the budget (Bodies). A body that stops
//     arriving holds what has arrived until the server's ReadTimeout.
//   - An operation is answered whole or not at all: nothing is written before
//     the service has returned, so a panic becomes a clean 500.
//   - An Auditor is handed every answered call, refused ones included, once.
//   - Logs hold the method, the operation, status, duration, request id and
//     access key id, of refused callers the Host and the address, and with an
//     access log the bearer, the principal and the user agent; never the path,
//     the query, another header or a body. What callers cause is written once a
//     second for each kind, with the number left out.
//
// The server around it bounds the time for headers and bodies
// (http.Server.ReadHeaderTimeout and ReadTimeout). It must not put another
// http.ServeMux in front, which would redirect paths that this package refuses.
package awshttp
