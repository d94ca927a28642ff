package pebble

import (
	"cmp"
	"context"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/store"
)

// Erase rewrites the files that hold entries of the ranges, so that what was overwritten or deleted
// in them before the call is in no file of the folder any more. The space of the files that it
// replaces goes back to the file system, which may keep the bytes until it needs it. Reading and
// writing go on meanwhile; an error leaves all as it was and may be followed by another call.
func (s *Store) Erase(ctx context.Context, table store.TableID, ranges ...store.Range) error {
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if s.closed {
		return store.ErrUnavailable
	}
	if err := s.health.refusal(); err != nil || len(ranges) == 0 {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // a store that closes does not wait for what has not begun
		select {
		case <-s.health.closing:
			cancel()
		case <-ctx.Done():
		}
	}()

	s.moments.drop(s.visible.Load())
	if err := s.markRanges(table, ranges); err != nil {
		return s.disk.explain(err)
	}
	for _, rng := range ranges {
		lower, upper := bounds(table, rng)
		if err := s.db.Compact(ctx, lower, upper, false); err != nil {
			return s.disk.explain(err)
		}
	}
	return nil
}

// EraseKeys has the engine begin a new list of its tables twice, because it keeps the former one. A list has the
// first and the last key of each table that there was since it was begun, and the next one is begun when what
// was done since is as much as what it began with: so that is done here, at most so many times that it takes a
// few seconds.
func (s *Store) EraseKeys(ctx context.Context) error {
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if s.closed {
		return store.ErrUnavailable
	}
	own := store.Prefix(store.K("erase keys"))
	begun := s.manifests.Load()
	for edits := 0; edits < mostEdits && s.manifests.Load() < begun+2; edits++ {
		if err := cmp.Or(ctx.Err(), s.health.refusal()); err != nil {
			return err
		}
		if err := s.markRanges(store.TableMeta, []store.Range{own}); err != nil {
			return s.disk.explain(err)
		}
	}
	return nil
}

// mostEdits bounds what EraseKeys does.
const mostEdits = 256

// markRanges flushes what is in memory, together with something that spans each range and has no
// meaning. A compaction moves a file that overlaps no other as it is, and with it the former versions
// of entries that a flush kept because they were being read; with the mark on its way down, every
// file of the range overlaps another.
func (s *Store) markRanges(table store.TableID, ranges []store.Range) error {
	b := s.db.NewBatch()
	for _, rng := range ranges {
		lower, upper := bounds(table, rng)
		if err := b.RangeKeyDelete(lower, upper, nil); err != nil {
			_ = b.Close() // frees memory and knows no error
			return err
		}
	}
	if err := b.Commit(crdb.Sync); err != nil {
		return err
	}
	return s.db.Flush()
}

// deleting is a Cleaner that deletes, and reports to the engine that it needs the contents of the
// files: so the engine recycles no logs. A recycled log holds what was written to it before, until
// that is overwritten.
type deleting struct {
	crdb.DeleteCleaner
	needsContents
}

// needsContents has the method for that, which is not exported, below those of DeleteCleaner.
type needsContents struct{ crdb.ArchiveCleaner }
