package pebble

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/store"
)

// Erase rewrites the files that hold entries of the ranges, so that what was overwritten or deleted
// in them before the call is in no file of the folder any more. The space of the files that it
// replaces goes back to the file system, which may keep the bytes until it needs it. Reading and
// writing go on meanwhile, so it goes in pieces, and rests between them as long as there are Updates
// to leave the disk to; an error leaves all as it was and may be followed by another call.
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
	pieces, err := s.pieces(table, ranges)
	if err != nil {
		return s.disk.explain(err)
	}
	for i, p := range pieces {
		began, updates := time.Now(), s.Updates()
		if err := s.erasePiece(ctx, p); err != nil {
			return s.disk.explain(err)
		}
		if i+1 < len(pieces) && s.Updates() != updates {
			if err := pause(ctx, eraseRests*time.Since(began)); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	eraseRests  = 9   // how long Erase rests after a piece, in times of what the piece took
	erasePieces = 512 // at most; each flushes what is in memory
)

// span is a range of the engine's keys, lower <= key < upper.
type span struct{ lower, upper []byte }

// pieces cuts ranges of a table where files end, so that the files of a piece have about
// Options.erasePiece bytes or more, and joins ranges that lie in one piece.
func (s *Store) pieces(table store.TableID, ranges []store.Range) (pieces []span, err error) {
	rest := make([]span, len(ranges))
	var all span
	for i, rng := range ranges {
		rest[i].lower, rest[i].upper = bounds(table, rng)
		if i == 0 || bytes.Compare(rest[i].lower, all.lower) < 0 {
			all.lower = rest[i].lower
		}
		if bytes.Compare(rest[i].upper, all.upper) > 0 {
			all.upper = rest[i].upper
		}
	}
	slices.SortFunc(rest, func(a, b span) int { return bytes.Compare(a.lower, b.lower) })
	cuts, err := s.cuts(all)
	if err != nil {
		return nil, err
	}

	for _, cut := range append(cuts, all.upper) {
		var p span
		for len(rest) > 0 && bytes.Compare(rest[0].lower, cut) < 0 {
			if p.lower == nil {
				p.lower = rest[0].lower
			}
			if bytes.Compare(rest[0].upper, cut) > 0 {
				p.upper, rest[0].lower = cut, cut
				break
			}
			if bytes.Compare(rest[0].upper, p.upper) > 0 {
				p.upper = rest[0].upper
			}
			rest = rest[1:]
		}
		if p.lower != nil {
			pieces = append(pieces, p)
		}
	}
	return pieces, nil
}

// cuts are keys within a span between which files of about Options.erasePiece bytes end, in order, or of more
// when there would be more than erasePieces.
func (s *Store) cuts(all span) (cuts [][]byte, err error) {
	levels, err := s.db.SSTables(crdb.WithKeyRangeFilter(all.lower, all.upper))
	if err != nil {
		return nil, err
	}
	files := slices.Concat(levels...)
	slices.SortFunc(files, func(a, b crdb.SSTableInfo) int { return bytes.Compare(a.Largest.UserKey, b.Largest.UserKey) })
	var size, total uint64
	for _, f := range files {
		total += f.Size
	}
	piece := max(s.erasePieceBytes, total/erasePieces)
	for _, f := range files {
		end := append(slices.Clone(f.Largest.UserKey), 0)
		if size += f.Size; size >= piece && bytes.Compare(end, all.upper) < 0 {
			cuts, size = append(cuts, end), 0
		}
	}
	return cuts, nil
}

// erasePiece rewrites the files of a span.
func (s *Store) erasePiece(ctx context.Context, p span) error {
	if err := s.mark(p); err != nil {
		return err
	}
	return s.db.Compact(ctx, p.lower, p.upper, false)
}

// pause waits until a time has passed.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
	var own span
	own.lower, own.upper = bounds(store.TableMeta, store.Prefix(store.K("erase keys")))
	begun := s.manifests.Load()
	for edits := 0; edits < mostEdits && s.manifests.Load() < begun+2; edits++ {
		if err := cmp.Or(ctx.Err(), s.health.refusal()); err != nil {
			return err
		}
		if err := s.mark(own); err != nil {
			return s.disk.explain(err)
		}
	}
	return nil
}

// mostEdits bounds what EraseKeys does.
const mostEdits = 256

// mark flushes what is in memory, together with something that spans a range and has no meaning. A
// compaction moves a file that overlaps no other as it is, and with it the former versions of entries
// that a flush kept because they were being read; with the mark on its way down, every file of the
// range overlaps another.
func (s *Store) mark(p span) error {
	b := s.db.NewBatch()
	if err := b.RangeKeyDelete(p.lower, p.upper, nil); err != nil {
		_ = b.Close() // frees memory and knows no error
		return err
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
