// Command bench measures a Carillon node on one machine, over loopback, and states ratios.
//
//	go run ./bench                          # everything, in less than two minutes
//	go run ./bench -parts send,store -seconds 4 -rounds 5
//	go run ./bench -profile bin/profiles    # also keep CPU profiles of the node under load
//	go run ./bench -parts before -before old/carillon   # sends of two builds in turns
//	go run ./bench -compare old.json,new.json
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
// It needs Linux: the raw programs and the accounts of processes are its own.
package main
