// Command endurance runs a node under random use for a time and checks what
// every client was sent against a model of its own:
//
//	go run ./endurance isolation -for 2m -seed 7
//	go run ./endurance cuts -for 10m -seed 7
//	go run ./endurance processing -for 10m -seed 7
//
// isolation looks for what a user got that may not have it. cuts kills, stops and freezes the node and
// breaks the network between it and its clients, and looks for what a resuming session has not
// got, or twice, or in another order. processing has messages pass channel flows, also in an elastic channel, and events go to sinks, kills the node,
// the processors and the sinks, and looks for a message without its one outcome, or that was shown before it, and for what a sink lacks.
//
// In isolation, workers make random calls, one each at a time, on the channels of two app instances, and a model of the
// channels says what each call is to cause. In cuts, traffic runs over a workload of channels while a nemesis makes
// faults, and at the end a checker compares what every session got. In processing, the processors and sinks are processes of this
// program; what all said is a history that package processing judges.
//
// Each command prints its seed, from which it makes the same choices again, and ends with status 1
// at the first promise that was not kept. The tests of this package are short forms of the
// commands, so that none of them rots.
package main
