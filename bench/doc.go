// Command bench measures a Carillon node on one machine, over loopback, and states ratios.
//
//	go run ./bench                          # everything but the soak, in some minutes
//	go run ./bench -parts send,store -seconds 4 -rounds 5
//	go run ./bench -soak 30m                # half load for so long; fails when the node grows
//	go run ./bench -small                   # few members and sockets, to see that all works
//	go run ./bench -parts storm -sizes storm=5000       # other sizes
//	go run ./bench -node "--ws-engine goroutine"        # with other settings of the node
//	go run ./bench -profile bin/profiles    # also keep CPU profiles of the node under load
//	go run ./bench -parts before -before old/carillon   # two builds in turns
//	go run ./bench -parts growth -filled grown -sizes messages=10000000,channels=100000,crowded=100000
//	go run ./bench -compare old.json,new.json
//
// The command in bench/peers compares with other chat servers instead. The parts of live delivery are:
//
//	deliver    a channel whose members are all online, and as many sends as possible
//	latency    the same at half of what plain writes can do
//	broadcast  a large channel, one message at a time, so that no two frames share a write
//	slow       one reader in ten stops: latency of the others, memory, close codes
//	memory     what an idle session costs, in a node as full as open files allow
//	nodes      the same with several nodes at once
//	storm      the node is killed, and all sessions come back to the next, with prefetch
//	before     sends, deliveries, pages of history, connects with prefetch, idle sessions and bytes of
//	           the store, each in turns with another build of the program
//	strangers  half bodies, junk upgrades and floods: what they do to the sends of a customer
//	sink-down  a sink that is down, with an hour of events waiting: sends and deliveries against none,
//	           its lag in the metrics, and that all comes in order afterwards
//	processor  sends to channels whose flow has a synchronous HTTP processor, against channels without a flow
//	expiry     sends while the messages of a channel go by retention, and are erased from the disk
//	fill       only fills the data folder of -filled, for growth
//	growth     calls on a store that has grown, and on a channel of many members, in turns with the same
//	           on an empty store; disk for each message; a start after the death of the process
//	soak       memory, goroutines and files after a long time at half load
//
// It builds the program as a release would, starts it on a data folder of its own, and puts load
// on it from another process. Beside each figure stands a raw program that does the least that
// the job needs with plain system calls or plain net/http. Both run in turns, round after round,
// because a machine is never twice the same: compare ratios, not figures. The ratio of a row is
// the median of the ratios of its rounds.
//
// The figures go to a table and to a JSON file named after the commit, by which two commits can
// be compared. Nothing stays behind but that file.
//
// Sockets are received by few threads with epoll and come from several addresses of loopback,
// so that neither the reading nor the ports of one address are what is measured. A process may
// have to open 20,000 files.
//
// It needs Linux: the raw programs and the accounts of processes are its own.
package main
