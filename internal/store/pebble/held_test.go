package pebble

import (
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/store"
)

func TestHeldBuckets(t *testing.T) {
	var h held
	for _, took := range []time.Duration{0, 10 * time.Millisecond, 10*time.Millisecond + 1, time.Minute} {
		h.observe(took)
	}
	got := h.histogram()
	for bound, want := range map[float64]uint64{0.00005: 1, 0.005: 1, 0.01: 2, 0.025: 3, 1: 3} {
		if got.Buckets[bound] != want {
			t.Errorf("%d transactions took up to %g s, want %d", got.Buckets[bound], bound, want)
		}
	}
	if got.Count != 4 || got.Sum < 60 {
		t.Errorf("%d transactions took %g s", got.Count, got.Sum)
	}
}

// Each transaction is counted, also one that fails or writes nothing.
func TestTransactionsAreTimed(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before := heldOf(t, s)
	for _, f := range []func(store.Tx) error{
		func(tx store.Tx) error { return store.Users.Delete(tx, store.K("a", "u")) },
		func(store.Tx) error { return nil },
		func(store.Tx) error { return store.ErrUnavailable },
	} {
		_ = s.Update(t.Context(), "a", f)
	}
	if n := heldOf(t, s).Count - before.Count; n != 3 {
		t.Errorf("%d of 3 transactions are counted", n)
	}
}

// heldOf is the metric of how long transactions held the writer.
func heldOf(t *testing.T, s *Store) *store.Histogram {
	t.Helper()
	for _, m := range s.Metrics() {
		if m.Name == "carillon_store_update_seconds" {
			return m.Histogram
		}
	}
	t.Fatal("there is no such metric")
	return nil
}
