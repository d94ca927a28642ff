// Package conformance holds tests of the whole program: it is started as its users start it, on
// a free port with a store on disk, and is spoken to by AWS's own Go clients, by requests that
// are signed and sent by hand, and through WebSockets. What the tests assert is what a client
// sees; none looks inside.
package conformance
