package pebble

import (
	"encoding/binary"
	"fmt"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/store"
)

// What the engine notes in store.TableMeta.
var (
	lastKey   = path(store.TableMeta, store.K("last"))   // written with every commit
	formatKey = path(store.TableMeta, store.K("format")) // number of migrations the folder had
)

// last is how far the store has come. It is the end of every commit's batch.
type last struct {
	commits  uint64 // how many there were
	position uint64 // of the latest event of the one log that there was before format 3; since then 0
}

const lastSize = 16

func (l last) encode() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(make([]byte, 0, lastSize), l.commits), l.position)
}

func readLast(from source) (last, error) {
	raw, err := get(from, lastKey)
	if raw == nil || err != nil {
		return last{}, err
	}
	return decodeLast(raw)
}

func decodeLast(raw []byte) (last, error) {
	if len(raw) != lastSize {
		return last{}, fmt.Errorf("%w: the record of the latest commit has %d bytes", store.ErrCorrupt, len(raw))
	}
	return last{binary.BigEndian.Uint64(raw), binary.BigEndian.Uint64(raw[8:])}, nil
}

// migrations lead from each format of the folder to the next: the function at index n runs on a folder
// of format n, and the folder has the next format with the commit of the batch. What is too much for
// one commit it writes before, so that doing it again changes nothing. None is ever removed or changed.
var migrations = []func(*crdb.DB, *crdb.Batch) error{
	recordLast,
	dropContent,
	cutLog,
	joinEvents,
}

// joinEvents changes nothing: from the next format on records of the log have several events, which
// earlier versions cannot read.
func joinEvents(*crdb.DB, *crdb.Batch) error { return nil }

// recordLast notes how far a folder has come from before that was noted.
func recordLast(_ *crdb.DB, b *crdb.Batch) error {
	it, err := b.NewIter(&crdb.IterOptions{
		LowerBound: path(store.TableEvents, nil), UpperBound: path(store.TableEvents+1, nil),
	})
	if err != nil {
		return err
	}

	var l last
	if it.Last() {
		l.commits = 1
		var columns []any
		if columns, err = store.Key(it.Key()[1:]).Columns(); err == nil {
			l.position, _ = columns[0].(uint64)
		}
	}
	if closed := it.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return b.Set(lastKey, l.encode(), nil)
}

// readFormat is the format of the folder; a fresh one has format 0 like the oldest.
func readFormat(from source) (n uint64, err error) {
	raw, err := get(from, formatKey)
	if raw == nil || err != nil {
		return 0, err
	}
	if err := store.DecodeRecord(raw, &n); err != nil {
		return 0, fmt.Errorf("format record: %w", err)
	}
	if n > uint64(len(migrations)) {
		return 0, fmt.Errorf("%w: it has format %d, this version knows %d", store.ErrNewer, n, len(migrations))
	}
	return n, nil
}

// migrate brings the folder to the present format and returns how far it has come.
func migrate(db *crdb.DB) (last, error) {
	format, err := readFormat(db)
	if err != nil {
		return last{}, err
	}
	for ; format < uint64(len(migrations)); format++ {
		if err := migrateFrom(db, format); err != nil {
			return last{}, fmt.Errorf("migration to format %d: %w", format+1, err)
		}
	}
	return readLast(db)
}

func migrateFrom(db *crdb.DB, format uint64) error {
	value, err := store.EncodeRecord(format + 1)
	if err != nil {
		return err
	}
	b := db.NewIndexedBatch()
	if err = b.Set(formatKey, value, nil); err == nil {
		err = migrations[format](db, b)
	}
	if err != nil {
		_ = b.Close() // frees memory and knows no error
		return err
	}
	return b.Commit(crdb.Sync)
}
