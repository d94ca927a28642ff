package postgres

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/store"
)

// stats counts what the engine does.
type stats struct {
	trips, retries, batches, commits, events atomic.Uint64

	mu    sync.Mutex
	taken store.Histogram // seconds
}

// bounds of the histogram of batches, in seconds.
var bounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5}

// batch counts a batch that has ended.
func (s *stats) batch(b *batch, took time.Duration, err error) {
	if err == nil && b.wrote > 0 {
		s.batches.Add(1)
		s.commits.Add(uint64(b.wrote))
		s.events.Add(uint64(len(b.events)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h, seconds := &s.taken, took.Seconds()
	if h.Buckets == nil {
		h.Buckets = make(map[float64]uint64, len(bounds))
	}
	h.Count++
	h.Sum += seconds
	for _, bound := range bounds {
		if seconds <= bound {
			h.Buckets[bound]++
		}
	}
}

func (s *stats) histogram() *store.Histogram {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.taken
	h.Buckets = maps.Clone(h.Buckets)
	return &h
}

// Metrics implements store.Engine.
func (s *Store) Metrics() []store.Metric {
	refusing := 0.0
	if s.Refusal() != nil {
		refusing = 1
	}
	pool := s.pool.Stat()
	gauge := func(name, help string, value float64) store.Metric {
		return store.Metric{Name: name, Help: help, Value: value}
	}
	counter := func(name, help string, value uint64) store.Metric {
		return store.Metric{Name: name, Help: help, Counter: true, Value: float64(value)}
	}
	st := &s.stats

	// Names and meanings are for operators, and stay as they are.
	return []store.Metric{
		gauge("carillon_store_refusing", "1 while calls are refused: the database does not answer. The log says why.", refusing),
		gauge("carillon_store_connections", "Connections to the database that are open.", float64(pool.TotalConns())),
		gauge("carillon_store_connections_used", "Connections to the database that are in use.", float64(pool.AcquiredConns())),
		gauge("carillon_store_connections_limit", "Most connections to the database: pool_max_conns of database-url.", float64(pool.MaxConns())),
		counter("carillon_store_commits_total", "Transactions that wrote.", st.commits.Load()),
		counter("carillon_store_batches_total", "Commits of the database; transactions of one log that wait at the same time share them.", st.batches.Load()),
		counter("carillon_store_events_total", "Events appended to the log.", st.events.Load()),
		counter("carillon_store_round_trips_total", "Round trips to the database.", st.trips.Load()),
		counter("carillon_store_retries_total", "Batches and reads that were tried again after a fault of the database. Many in a row mean that it restarts or is overloaded.", st.retries.Load()),
		{Name: "carillon_store_batch_seconds", Help: "How long a batch took, from the first of its transactions to the answer of the commit.", Histogram: st.histogram()},
	}
}
