package main

import (
	"os"
	"runtime/debug"
)

const (
	// collectorPercent is GOGC: how much garbage there may be for what is held.
	collectorPercent = 200
	// roomyMemory is the memory, in bytes, from which on there is room for that much.
	roomyMemory = 4 << 30
)

// useRoomForGarbage has the collector wait for twice the garbage that Go lets it, where there is memory for
// it, unless the operator says otherwise with GOGC. GOMEMLIMIT bounds the memory as before.
func useRoomForGarbage(memory uint64) {
	if os.Getenv("GOGC") == "" && memory >= roomyMemory {
		debug.SetGCPercent(collectorPercent)
	}
}
