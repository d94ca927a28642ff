package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"github.com/carillon-chat/carillon/internal/store"
)

// verify opens a folder that is not new for reading only. It refuses one that does not hold
// everything acknowledged, before anything in it is changed.
func verify(dir string, lock *crdb.Lock, opts Options) error {
	marked, found, err := readMark(opts.fs, dir)
	if err != nil {
		return err
	}
	if fresh, err := isFresh(dir, opts.fs); fresh || err != nil {
		if err == nil && found {
			err = fmt.Errorf("%w: the manifest or its marker is missing", store.ErrCorrupt)
		}
		return err
	}

	h := newHealth(opts.Logger)
	options := tuned(opts, newDisk(opts.fs, dir, -1, h))
	options.Lock, options.ReadOnly, options.ErrorIfNotExists, options.CacheSize = lock, true, true, 8<<20
	db, err := open(dir, options)
	if err != nil {
		return unreadable(err)
	}
	err = check(db, opts.fs, dir, marked)
	if closed := db.Close(); err == nil {
		err = closed
	}
	return err
}

// isFresh reports whether the folder holds no store yet, not even remains of one.
func isFresh(dir string, disk vfs.FS) (bool, error) {
	found, err := crdb.Peek(dir, disk)
	if err != nil {
		return false, unreadable(err)
	}
	if found.Exists {
		return false, nil
	}
	names, err := disk.List(dir)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob") || strings.HasSuffix(name, ".log") {
			return false, fmt.Errorf("%w: there is %s, but the manifest or its marker is missing", store.ErrCorrupt, name)
		}
	}
	return true, nil
}

// check compares what is there with what must be: commits are numbered without gaps, so the logs
// go on where the tables end, each where the one before it ends, and up to the marked number.
func check(db *crdb.DB, disk vfs.FS, dir string, marked uint64) error {
	if _, err := readFormat(db); err != nil {
		return err
	}
	flushed, err := readFlushed(db)
	if err != nil {
		return err
	}
	have, err := readLogs(disk, dir, flushed.commits)
	if err != nil {
		return err
	}
	last, err := readLast(db)
	if err != nil {
		return err
	}
	if have = min(have, last.commits); have < marked {
		return fmt.Errorf("%w: commits up to number %d were acknowledged, but logs and manifest end at number %d; restore a backup",
			store.ErrCorrupt, marked, have)
	}
	return nil
}

// readFlushed returns how far the tables alone have come.
func readFlushed(db *crdb.DB) (l last, err error) {
	it, err := db.NewIter(&crdb.IterOptions{
		LowerBound: lastKey, UpperBound: append(bytes.Clone(lastKey), 0), OnlyReadGuaranteedDurable: true,
	})
	if err != nil {
		return last{}, damage(err)
	}
	if it.First() {
		l, err = decodeLast(it.Value())
	}
	return l, damage(errors.Join(err, it.Close()))
}

// readLogs follows the numbers of the commits through the logs and returns where they end.
func readLogs(disk vfs.FS, dir string, have uint64) (uint64, error) {
	logs, err := wal.Scan(wal.Dir{FS: disk, Dirname: dir})
	if err != nil {
		return 0, unreadable(err)
	}
	for _, log := range logs {
		if have, err = readLogFile(log, have); err != nil {
			return 0, err
		}
	}
	return have, nil
}

func readLogFile(log wal.LogicalLog, have uint64) (uint64, error) {
	r := log.OpenForRead()
	defer r.Close()
	var batch bytes.Buffer
	for {
		content, at, err := r.NextRecord()
		if err == nil {
			batch.Reset()
			_, err = io.Copy(&batch, content)
		}
		switch number, ok := commitOf(batch.Bytes()); {
		case err == io.EOF, record.IsInvalidRecord(err): // whether it may end here, the next log or the mark decides
			return have, nil
		case err != nil:
			return 0, unreadable(err)
		case ok && number > have+1:
			return 0, fmt.Errorf("%w: commits %d to %d are missing before %s; restore a backup",
				store.ErrCorrupt, have+1, number-1, at.PhysicalFile)
		case ok:
			have = max(have, number)
		}
	}
}

// commitEnd is how the batch of a commit ends, but for the sixteen bytes of last: the kind of the
// record, the length of its key, the key, the length of its value.
var commitEnd = append(append([]byte{byte(crdb.InternalKeyKindSet), byte(len(lastKey))}, lastKey...), lastSize)

// commitOf is the number of the commit that a batch is.
func commitOf(batch []byte) (number uint64, ok bool) {
	end := len(batch) - lastSize
	if end < 0 || !bytes.HasSuffix(batch[:end], commitEnd) {
		return 0, false
	}
	return binary.BigEndian.Uint64(batch[end:]), true
}
