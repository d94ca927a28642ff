package pebble

import (
	"sync/atomic"
	"time"
)

// monitor looks at free space and at how far the engine lags, once a second and whenever the
// engine has done something.
func (s *Store) monitor() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.disk.measure()
			s.health.forget()
			s.moments.drop(s.visible.Load())
		case <-s.wakeMonitor:
		case <-s.health.closing:
			return
		}
		m := s.db.Metrics()
		stalled := m.MemTable.Size > s.maxMemTableBytes || m.Levels[0].Sublevels > maxSublevels
		if stalled != s.health.now.Load().stalled {
			_ = s.health.set(func() { s.health.stalled = stalled })
		}
	}
}

// poke wakes the monitor. It is called with locks of the engine held.
func (s *Store) poke() {
	select {
	case s.wakeMonitor <- struct{}{}:
	default:
	}
}

// counters since the store was opened.
type counters struct {
	commits, events, bytes, damaged atomic.Uint64
	held                            held
}

func (c *counters) committed(transactions, bytes, events int) {
	c.commits.Add(uint64(transactions))
	c.bytes.Add(uint64(bytes))
	c.events.Add(uint64(events))
}

// Stats are figures for an operator. Those that count do so since the store was opened.
type Stats struct {
	Commits    uint64 // transactions that wrote
	Events     uint64 // appended to the log
	BatchBytes uint64 // of the transactions
	LogWrites  uint64 // writes to the write-ahead log
	LogBytes   uint64
	LogSyncs   uint64 // each shared by the commits that waited for it
	Damaged    uint64 // reads that met a damaged file: restore a backup

	DiskBytes     uint64 // of the folder
	MemTableBytes uint64 // not yet flushed
	MemTables     int64
	Sublevels     int32 // of level 0: more than a few means that compactions lag
	Flushes       int64
	Compactions   int64
	CacheBytes    int64
	CacheHits     int64
	CacheMisses   int64
	FreeBytes     int64 // what may still be written before the reserve is reached; an estimate

	Refusal error // why changes are refused at present; nil when they are not
}

// Stats reads the figures. It may be called at any time before Close.
func (s *Store) Stats() Stats {
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	st := Stats{
		Commits: s.stats.commits.Load(), Events: s.stats.events.Load(), BatchBytes: s.stats.bytes.Load(),
		LogWrites: s.disk.walWrites.Load(), LogBytes: s.disk.walBytes.Load(), LogSyncs: s.disk.walSyncs.Load(),
		Damaged: s.stats.damaged.Load(), FreeBytes: s.disk.room.Load(), Refusal: s.health.refusal(),
	}
	if s.closed {
		return st
	}
	m := s.db.Metrics()
	st.DiskBytes, st.MemTableBytes, st.MemTables = m.DiskSpaceUsage(), m.MemTable.Size, m.MemTable.Count
	st.Sublevels, st.Flushes, st.Compactions = m.Levels[0].Sublevels, m.Flush.Count, m.Compact.Count
	st.CacheBytes, st.CacheHits, st.CacheMisses = m.BlockCache.Size, m.BlockCache.Hits, m.BlockCache.Misses
	return st
}

// Writes counts the writes to the write-ahead log: it stands still while nothing becomes
// durable.
func (s *Store) Writes() uint64 { return s.disk.walWrites.Load() }
