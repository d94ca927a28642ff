// Package chime is the domain: ARNs, ids, the records that are kept, the events that
// are announced, and the limits. It is pure: no I/O, no clock, no randomness of its own.
package chime
