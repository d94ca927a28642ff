package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// quietTime is how long little has to be allocated until the process counts as quiet.
	quietTime = 500 * time.Millisecond
	// quietBytes are allocated in a quietTime at most while the process is quiet.
	quietBytes = 1 << 20
	// muchGarbage is from how many bytes on garbage is collected then: memory that is given back is mapped again
	// by the next calls.
	muchGarbage = 32 << 20
)

// heap is what the collector knows of the heap, in bytes.
type heap struct {
	allocated uint64 // since the start of the process
	held      uint64 // after the latest collection
	taken     uint64 // by what is held and by garbage
}

// collectWhenQuiet collects what a rush of work has left, and gives its memory back, when the rush is over. By
// itself Go does so after two minutes: until then 10,000 sessions that are idle have the garbage of their connects
// beside them. It returns when ctx ends.
func collectWhenQuiet(ctx context.Context, read func() heap, collect func()) {
	tick := time.NewTicker(quietTime)
	defer tick.Stop()
	for before := read(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := read()
		if now.allocated-before.allocated <= quietBytes && now.taken >= now.held+muchGarbage {
			collect()
			now = read()
		}
		before = now
	}
}

// collectsWhenQuiet has collectWhenQuiet run, unless the operator decides with GOGC what is collected when.
func collectsWhenQuiet(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		go collectWhenQuiet(ctx, readHeap(), debug.FreeOSMemory)
	}
}

// readHeap makes a reader of the runtime's figures, for one goroutine.
func readHeap() func() heap {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
	}
	return func() heap {
		metrics.Read(samples)
		return heap{samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()}
	}
}
