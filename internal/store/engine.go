package store

import "context"

// Engine is a Store as the node that runs it sees it. Services know the Store alone.
type Engine interface {
	Store

	// Refusal is why changes are refused at present, nil when they are not. It wraps an error of this
	// package.
	Refusal() error
	// Metrics reads the figures by which an operator sees how the engine is.
	Metrics() []Metric
	// Backup makes a copy in a folder that must not exist: everything whose Update had returned, and
	// perhaps later commits.
	Backup(dir string) error
	// Erase makes sure that what was overwritten or removed in the ranges before the call is in no file
	// any more. Reading and writing go on meanwhile; after an error it may be called again.
	Erase(ctx context.Context, table TableID, ranges ...Range) error
	// EraseKeys is for after Erase: it makes sure that what the engine keeps to find its files names no key
	// that is gone, as far as that takes a bounded effort. What it leaves goes when the engine is opened again.
	EraseKeys(ctx context.Context) error
}

// Metric is a figure of an engine.
type Metric struct {
	Name, Help string
	Counter    bool // it grows as long as the engine is open; else it is a gauge
	Value      float64
	Histogram  *Histogram // in the place of Value
}

// Histogram is how many of something there were since the engine was opened, and how much they were
// together. Buckets has, by upper bounds, how many were up to that.
type Histogram struct {
	Count   uint64
	Sum     float64
	Buckets map[float64]uint64
}

// Updates is how many Updates of a store have begun, for callers of many that let others go first. known is false
// of a store that does not count them.
func Updates(s Store) (n uint64, known bool) {
	counting, known := s.(interface{ Updates() uint64 })
	if known {
		n = counting.Updates()
	}
	return n, known
}
