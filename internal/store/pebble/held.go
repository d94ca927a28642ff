package pebble

import (
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/store"
)

// heldBounds are the upper bounds of the buckets of how long a transaction held the writer: up to ten
// milliseconds is as it should be.
var heldBounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, time.Second,
}

// held counts transactions by how long they held the writer. One goroutine observes at a time.
type held struct {
	buckets [len(heldBounds) + 1]atomic.Uint64 // the last has those beyond all bounds
	sum     atomic.Int64                       // ns
}

func (h *held) observe(took time.Duration) {
	i := 0
	for i < len(heldBounds) && took > heldBounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(took))
}

// histogram reads the counters.
func (h *held) histogram() *store.Histogram {
	read := &store.Histogram{Sum: time.Duration(h.sum.Load()).Seconds(), Buckets: make(map[float64]uint64, len(heldBounds))}
	for i := range h.buckets {
		read.Count += h.buckets[i].Load()
		if i < len(heldBounds) {
			read.Buckets[heldBounds[i].Seconds()] = read.Count
		}
	}
	return read
}
