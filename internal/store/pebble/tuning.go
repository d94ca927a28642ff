package pebble

import (
	"runtime"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// The engine would stop writers itself at these bounds, in the middle of a commit and out of
// reach of any context. The monitor does it before a commit begins, so the engine's own bounds
// are put out of sight.
const (
	maxMemTables   = 4  // full ones, waiting to be flushed; the engine begins with smaller ones
	maxSublevels   = 30 // of level 0, each of which every read has to look at
	engineNoBounds = 1000
)

// tuned are the engine's options for many small durable commits, reads of short ranges near
// their end, and two cores or more.
func tuned(o Options, d *disk) *crdb.Options {
	options := &crdb.Options{
		FS:                          d,
		Logger:                      logger{d.health},
		Cleaner:                     deleting{},
		FormatMajorVersion:          crdb.FormatNewest,
		CacheSize:                   o.CacheBytes + 2*int64(o.memTableSize), // the engine takes memtables out of it
		MemTableSize:                o.memTableSize,
		MaxOpenFiles:                o.OpenTables,
		MemTableStopWritesThreshold: engineNoBounds,
		L0StopWritesThreshold:       engineNoBounds,
		L0CompactionThreshold:       4, // half of it costs a sixth of a send, twice makes pages of history slower
		TargetFileSizes:             [7]int64{o.fileSize},
		BytesPerSync:                1 << 20,
		MaxManifestFileSize:         1, // a list of the tables that were is as long as one of those that are, at most: see EraseKeys
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, max(1, runtime.NumCPU()-1) },
	}
	for i := range options.Levels {
		l := &options.Levels[i]
		l.BlockSize = 16 << 10
		l.IndexBlockSize = 64 << 10
		l.FilterPolicy = bloom.FilterPolicy(10)
	}
	return options
}

// listen connects the engine's events.
func (s *Store) listen(options *crdb.Options) *crdb.Options {
	options.EventListener = &crdb.EventListener{
		BackgroundError: s.health.backgroundFailed,
		DataCorruption: func(info crdb.DataCorruptionInfo) {
			s.stats.damaged.Add(1)
			s.health.log.Error("store file corrupted", "file", info.Path, "err", damaged(info.Details))
		},
		FlushEnd: func(info crdb.FlushInfo) {
			if info.Err == nil {
				s.health.backgroundWorked()
			}
			s.poke()
		},
		CompactionEnd: func(info crdb.CompactionInfo) {
			if info.Err == nil {
				s.health.backgroundWorked()
			}
			s.poke()
		},
		ManifestCreated: func(info crdb.ManifestCreateInfo) {
			if info.Err == nil {
				s.manifests.Add(1)
			}
		},
		WALCreated: func(crdb.WALCreateInfo) { s.poke() },
	}
	return options
}
