package servicetest_test

import (
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// A send reads what its request names at once, then the membership, then the channel's activity: each
// read is a trip when the store is far away, and the writes go with the commit.
func TestASendReadsInThreeTrips(t *testing.T) {
	var trips, reads atomic.Int64
	st := memstore.New()
	defer st.Close()
	w := servicetest.Over(t, faulty.New(st, func(c faulty.Call) error {
		switch c.Op {
		case faulty.Get, faulty.GetMany, faulty.Scan:
			trips.Add(1)
		case faulty.View, faulty.Update:
			reads.Add(1)
		}
		return nil
	}), "ann", "bob")
	w.AddChannel("ann", "c")
	w.Send(w.Text("ann", "c", "first"))

	trips.Store(0)
	reads.Store(0)
	w.Send(w.Text("ann", "c", "hello"))
	if trips.Load() > 3 || reads.Load() != 1 {
		t.Errorf("%d trips in %d transactions", trips.Load(), reads.Load())
	}
}
