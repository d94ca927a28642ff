// Command peers compares Carillon with other servers that chats are built with, on one machine and in
// one run:
//
//	go run ./bench/peers -centrifugo PATH               # Centrifugo 6, memory engine
//	go run ./bench/peers -postgres DIR -pgchat PATH     # a plain chat server over PostgreSQL
//	go run ./bench/peers -centrifugo PATH -shapes sends # some shapes: those whose names begin so
//	go run ./bench/peers                                # Carillon alone
//
// Nothing of the other servers is part of this module: their programs are built or installed apart,
// and their paths given. docs/BENCHMARKS.md says how, what is measured, and what came of it; the
// tables of that page are what this program prints.
//
// The shapes are:
//
//	sends-1     1,000 channels of 1 member each, all online: sends a second, then the time from a send to its
//	            last receiver at half of the rate that the first other peer reached
//	sends-10    100 channels of 10
//	sends-100   10 channels of 100
//	sends-1000  1 channel of 1,000
//	history     the latest page of 50 messages, 50 readers
//	join        a user of 50 channels of 30 members connects and gets the latest 20 messages of each; the same
//	            with channels of the user alone, and of Carillon with compression beside without
//	connect     10,000 authenticated connections: how fast, and what each costs when it is idle
//	kill        what a kill -9 under load loses of what was acknowledged
//	one-core    Carillon as it starts on one processor, beside the same with two Ps
//	two-cores   Carillon on two processors, beside the same on one
//	elastic     200,000 members join an elastic channel of Carillon while messages are sent elsewhere
//
// The server has one processor and the load another. Peers take turns, round after round, because a
// machine is never twice the same: compare ratios, not figures. The ratio of a row is the median of
// the ratios of its rounds. A figure is marked when the load's processor was the limit; how busy both
// were goes to stderr.
//
// It needs Linux and two processors.
package main
