// Package outbound is the guarded HTTP client of everything that calls out: processors of flows, bots,
// push services, sinks of streams, webhooks. Where a call goes is often said by a setting or by a user, so
// a Client promises, whatever the other end does:
//
//   - It connects to public addresses alone, and to those that Options allows. Loopback, private, link-local
//     (metadata services among them), multicast, documentation and other special networks are refused,
//     also in the forms that IPv6 has for IPv4 addresses. A name of which one address is refused is
//     refused as a whole.
//   - It resolves names itself and dials the very address that it checked, so a name that resolves to
//     another address the second time gains nothing.
//   - Plain HTTP goes only where Options allows; everything else speaks TLS 1.2 or newer.
//   - It follows no redirect, and uses no proxy but that of Options, whatever the environment says. The proxy is
//     asked for the address that was checked.
//   - The whole call is bounded in time, from the look-up of the name to the last byte of the answer, and
//     so are the bytes of the answer's head and body.
//
// Errors name the method and host of a call, never its path, query or headers, in which secrets may be.
package outbound
