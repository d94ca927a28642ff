// Command endurance runs a node under random use for as long as it is told to and checks what
// every client was sent against a model of its own:
//
//	go run ./endurance isolation -for 2m -seed 7
//
// Each command prints its seed, from which it makes the same calls again, and ends with status 1
// at the first promise that was not kept. The tests of this package are short forms of the
// commands, so that none of them rots.
package main
