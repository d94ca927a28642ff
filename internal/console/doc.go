// Package console serves the chat page, built from web/ and embedded in the binary, and the
// small JSON that only dev mode gives the page: the users, and credentials for one of them.
// It also explains connect requests.
//
// It promises:
//
//   - The page loads nothing from elsewhere and cannot be framed. Its content is the same for
//     every visitor; it learns of users only from the JSON.
//   - Outside dev mode the JSON does not exist: 404. Only the explanation of a connect request and
//     the public keys of Web Push are in every mode; it reveals no more than the answer to the connect request
//     itself.
//   - In dev mode the JSON answers only pages of this server. A page of another site is stopped
//     by its Origin and Sec-Fetch-Site, and one that points its own name at this machine (DNS
//     rebinding) by its Host.
//
// Paths are compared as they are sent and nothing redirects but /chat and, in dev mode, a visit of /.
package console
