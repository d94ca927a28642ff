package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/carillon-chat/carillon/internal/store"
)

// disk is the file system under the engine. It watches free space, and it keeps from the engine
// what the engine cannot bear: an error of the write-ahead log makes it panic with locks held. So
// such an error marks the store as broken, from then on nothing is written to the log, and the
// engine gets no error; no caller learns of a commit as a success.
type disk struct {
	vfs.FS
	dir     string
	health  *health
	reserve int64
	room    atomic.Int64 // estimate of the bytes that can still be written

	walWrites, walBytes, walSyncs atomic.Uint64
}

func newDisk(fs vfs.FS, dir string, reserve int64, h *health) *disk {
	d := &disk{FS: fs, dir: dir, reserve: reserve, health: h}
	d.room.Store(math.MaxInt64)
	return d
}

// Unwrap implements vfs.FS.
func (d *disk) Unwrap() vfs.FS { return d.FS }

// writtenTimes is how often a byte is written soon: to the log and to a table.
const writtenTimes = 2

// take uses up space, and refuses when there is none.
func (d *disk) take(bytes int) error {
	if d.room.Add(-int64(bytes)*writtenTimes) >= 0 {
		return nil
	}
	d.measure()
	return d.health.refusal()
}

// measure asks the file system for its free space.
func (d *disk) measure() {
	if d.reserve < 0 {
		return
	}
	usage, err := d.GetDiskUsage(d.dir)
	if err != nil {
		if !errors.Is(err, vfs.ErrUnsupported) {
			d.health.log.Warn("cannot determine free disk space", "dir", d.dir, "err", err)
		}
		d.room.Store(math.MaxInt64)
		return
	}
	room := int64(min(usage.AvailBytes, math.MaxInt64)) - d.reserve
	d.room.Store(room)
	var full error
	if room <= 0 {
		full = fmt.Errorf("%w: %s has %d MB left, which is the reserve of %d MB or less",
			store.ErrFull, d.dir, usage.AvailBytes>>20, d.reserve>>20)
	}
	_ = d.health.set(func() { d.health.full = full })
}

// explain names the errors of the contract.
func (d *disk) explain(err error) error {
	if vfs.IsNoSpaceError(err) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return damage(err)
}

// kind of a file in the folder.
type kind int

const (
	otherFile kind = iota
	logFile
	tableFile
)

func (d *disk) kindOf(name string) kind {
	switch {
	case d.PathDir(name) != d.dir: // of a backup
		return otherFile
	case strings.HasSuffix(name, ".log"):
		return logFile
	case strings.HasSuffix(name, ".sst"), strings.HasSuffix(name, ".blob"):
		return tableFile
	}
	return otherFile
}

// Create implements vfs.FS.
func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	switch d.kindOf(name) {
	case logFile:
		return d.logFile(func() (vfs.File, error) { return d.FS.Create(name, category) })
	case tableFile:
		if err := d.health.pace(); err != nil {
			return nil, err
		}
	}
	return d.FS.Create(name, category)
}

// ReuseForWrite implements vfs.FS.
func (d *disk) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if d.kindOf(name) != logFile {
		return d.FS.ReuseForWrite(old, name, category)
	}
	reuse := func() (vfs.File, error) {
		f, err := d.FS.ReuseForWrite(old, name, category)
		if errors.Is(err, fs.ErrNotExist) { // renamed, and then not opened
			return d.FS.Create(name, category)
		}
		return f, err
	}
	return d.logFile(reuse)
}

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil || name != d.dir {
		return f, err
	}
	return folder{f, d}, nil
}

// logFile makes a new file of the log, or stands in for one that cannot be made. While the process
// has no descriptor for it changes are refused and it is tried again: nothing of the log is lost.
func (d *disk) logFile(make func() (vfs.File, error)) (vfs.File, error) {
	f, err := make()
	for scarce := outOfFiles(err); scarce; scarce = outOfFiles(err) {
		d.health.backgroundFailed(fmt.Errorf("new file of the log: %w", err))
		if stopped := d.health.pace(); stopped != nil {
			break
		}
		if f, err = make(); err == nil {
			d.health.backgroundWorked()
		}
	}
	if err != nil {
		d.health.breakLog(err)
		if f, err = vfs.NewMem().Create("log", vfs.WriteCategoryUnspecified); err != nil {
			return nil, err
		}
	}
	return &walFile{File: f, d: d}, nil
}

// outOfFiles reports whether the process or the machine has too many files open.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// walFile is a file of the write-ahead log. It is zeroed ahead of its records: a sync of bytes that the
// file had before writes these alone, but one that makes the file longer waits for the file system's own
// log too, even when the room was taken before.
type walFile struct {
	vfs.File
	d      *disk
	size   int64 // of the records
	zeroed int64 // the file has zeros from size up to here
}

// zeroStep is how much of a log is zeroed at once, in bytes. The sync that follows takes a little longer.
const zeroStep = 256 << 10

var zeros [zeroStep]byte

// do runs one operation unless the log is broken, and breaks it when the operation fails.
func (f *walFile) do(operation func() error) {
	if f.d.health.broken() != nil {
		return
	}
	if err := operation(); err != nil {
		f.d.health.breakLog(err)
	}
}

func (f *walFile) Write(p []byte) (int, error) {
	f.do(func() error {
		f.d.walWrites.Add(1)
		f.d.walBytes.Add(uint64(len(p)))
		_, err := f.File.Write(p)
		f.size += int64(len(p))
		return err
	})
	f.zeroAhead()
	return len(p), nil
}

// zeroAhead zeroes what the next records overwrite, when the zeros have been used up.
func (f *walFile) zeroAhead() {
	if f.size <= f.zeroed || f.d.health.broken() != nil {
		return
	}
	f.zeroed = (f.size/zeroStep + 1) * zeroStep
	if _, err := f.File.WriteAt(zeros[:f.zeroed-f.size], f.size); err != nil {
		f.zeroed = math.MaxInt64 // the log does without
	}
}

func (f *walFile) Sync() error {
	f.do(f.sync(f.File.Sync))
	return nil
}

func (f *walFile) SyncData() error {
	f.do(f.sync(f.File.SyncData))
	return nil
}

func (f *walFile) sync(how func() error) func() error {
	f.d.walSyncs.Add(1)
	return how
}

func (f *walFile) SyncTo(length int64) (full bool, _ error) {
	f.do(func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, nil
}

func (f *walFile) Close() error {
	if err := f.File.Close(); err != nil {
		f.d.health.breakLog(err)
	}
	return nil
}

// folder is the data folder, which is synced when files come and go.
type folder struct {
	vfs.File
	d *disk
}

func (f folder) Sync() error {
	if err := f.File.Sync(); err != nil {
		f.d.health.breakLog(fmt.Errorf("sync of the folder: %w", err)) // a log may not be found again
	}
	return nil
}
