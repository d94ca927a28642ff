package servicetest_test

import (
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
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

// A member of an elastic channel is found by key, whatever was written about it before: a range that is
// read in a transaction has the engine commit first, and has all former versions of its records.
func TestMembersOfElasticChannelsReadNoRange(t *testing.T) {
	var ranges atomic.Int64
	st := memstore.New()
	defer st.Close()
	w := servicetest.Over(t, faulty.New(st, func(c faulty.Call) error {
		if c.Op == faulty.Scan {
			ranges.Add(1)
		}
		return nil
	}), "owner", "adm", "ann", "bob")
	w.MakeAdmin("adm")
	w.AddChannel("owner", "c", servicetest.Elastic(2, 4, 10))
	w.AddMember("owner", "c", "ann", messaging.ChannelMembershipTypeDefault)
	w.SubName(*subOf(t, w, "c"))

	text := w.Text("ann", "c", "hello")
	text.SubChannelID = w.SubID("s1")
	for what, call := range map[string]func(){
		"a send": func() { w.Send(text) },
		"a join": func() { w.AddMember("adm", "c", "bob", messaging.ChannelMembershipTypeDefault) },
	} {
		ranges.Store(0)
		if call(); ranges.Load() > 0 {
			t.Errorf("%s reads %d ranges", what, ranges.Load())
		}
	}
}
