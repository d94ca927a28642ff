package pebble

import "github.com/carillon-chat/carillon/internal/store"

var _ store.Engine = (*Store)(nil)

// Refusal implements store.Engine.
func (s *Store) Refusal() error { return s.health.refusal() }

// Metrics implements store.Engine.
func (s *Store) Metrics() []store.Metric {
	st := s.Stats()
	refusing := 0.0
	if st.Refusal != nil {
		refusing = 1
	}
	gauge := func(name, help string, value float64) store.Metric {
		return store.Metric{Name: name, Help: help, Value: value}
	}
	counter := func(name, help string, value uint64) store.Metric {
		return store.Metric{Name: name, Help: help, Counter: true, Value: float64(value)}
	}

	// Names and meanings are for operators, and stay as they are.
	return []store.Metric{
		gauge("carillon_store_refusing", "1 while changes are refused: the disk is full or broken. The log says which.", refusing),
		gauge("carillon_store_disk_bytes", "Size of the store.", float64(st.DiskBytes)),
		gauge("carillon_store_free_bytes", "What may still be written before changes are refused.", float64(st.FreeBytes)),
		gauge("carillon_store_sublevels", "Sublevels of level 0. More than a few for long means that the disk cannot keep up.", float64(st.Sublevels)),
		counter("carillon_store_commits_total", "Transactions that wrote.", st.Commits),
		counter("carillon_store_events_total", "Events appended to the log.", st.Events),
		counter("carillon_store_log_bytes_total", "Bytes written to the write-ahead log.", st.LogBytes),
		counter("carillon_store_log_syncs_total", "Syncs of the write-ahead log; commits share them.", st.LogSyncs),
		{
			Name: "carillon_store_update_seconds", Help: "How long a transaction held up all others, without the disk. None should take more than 0.01.",
			Histogram: s.stats.held.histogram(),
		},
		counter("carillon_store_damaged_reads_total", "Reads that met a damaged file. Any at all means: restore a backup.", st.Damaged),
	}
}
