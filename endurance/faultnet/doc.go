// Package faultnet is a bad network for tests: a TCP proxy whose connections are delayed, cut,
// torn, stalled and swallowed on demand, and a network interface that loses, doubles and
// reorders packets.
//
// What it promises:
//
//   - Without a fault a Proxy changes nothing: every byte arrives, in order, and each end sees
//     the other's close.
//   - A connection never gets bytes that the other end did not write, nor a byte after one that
//     was swallowed: what TCP promises holds up to the moment of the cut.
//   - Faults take effect at once and are safe to call from any goroutine. Nothing outlives
//     Close.
//   - Each connection has a weather of its own, so that connections overtake each other.
package faultnet
