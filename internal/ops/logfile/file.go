package logfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// mode of every file: what logs hold is the operator's.
const mode = 0o600

// Writer is where lines go. File is one.
type Writer interface {
	// Write writes whole lines, or none and returns an error.
	io.Writer
	// Sync waits until they are on the disk.
	Sync() error
}

var _ Writer = (*File)(nil)

// Options of a File. Path is required.
type Options struct {
	Path string
	// MaxBytes ends a part before it has more bytes, unless a single write has; zero is no bound.
	MaxBytes int64
	// MaxAge is the time that a part covers: 24h is a day of UTC. Zero is no bound.
	MaxAge time.Duration
	// Keep is how many finished parts stay; zero keeps all.
	Keep int
	// Backlog is for files that a Tail reads: parts that it has not read yet stay, uncompressed, also beyond Keep,
	// until those beyond have more bytes together; then the oldest are given up. Zero is for files without one.
	Backlog int64
	// Log gets what goes wrong behind the writer's back; nil discards it.
	Log *slog.Logger
	Now func() time.Time // nil means time.Now
}

// File is a file of lines. It is safe for concurrent use.
type File struct {
	o Options

	mu   sync.Mutex
	file *os.File // nil after Close, or while it cannot be opened
	pipe bool     // it is no regular file, such as /dev/stderr, and has no parts
	size int64
	last time.Time // of the latest write

	// What a Tail has read: parts up to one by their stamps, when keeping, and without floor those that it never can.
	read    string
	keeping bool
	floor   string
	givenUp uint64

	// The parts are compressed by one goroutine at a time, which ends when it finds none.
	stopping context.Context
	stop     context.CancelFunc
	tidying  bool // guarded by mu
	again    bool // a part was finished meanwhile
	tidied   sync.WaitGroup
}

// ErrClosed reports a write after Close.
var ErrClosed = errors.New("the log file is closed")

// Open opens the file to append to it, and makes it and its folder when they are absent. It goes on
// with compressing what an earlier process left.
func Open(o Options) (*File, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.Path = filepath.Clean(o.Path)
	f := &File{o: o}
	f.stopping, f.stop = context.WithCancel(context.Background())
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, err
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.open(); err != nil {
		return nil, err
	}
	f.tidy()
	return f, nil
}

// Write appends lines, each with its line feed: all of them, or none and an error.
func (f *File) Write(lines []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopping.Err() != nil {
		return 0, ErrClosed
	}
	if err := f.turn(int64(len(lines))); err != nil {
		return 0, err
	}

	n, err := f.file.Write(lines)
	if err == nil {
		f.size += int64(n)
		f.last = f.o.Now()
		return n, nil
	}

	// No reader finds a part of a line: what was written of it is taken back.
	if n > 0 && !f.pipe {
		if undo := f.file.Truncate(f.size); undo != nil {
			err = errors.Join(err, undo, f.drop())
		}
	}
	return 0, err
}

// Sync waits until what was written is on the disk.
func (f *File) Sync() error {
	f.mu.Lock()
	file, pipe := f.file, f.pipe
	f.mu.Unlock()
	if file == nil || pipe {
		return nil
	}

	// Writers go on meanwhile. One may end this part, which syncs it.
	if err := file.Sync(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// Reopen begins a file at the path again, which another program may have renamed.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopping.Err() != nil {
		return ErrClosed
	}
	return errors.Join(f.drop(), f.open())
}

// Close syncs and closes the file. A part that is being compressed stays as it was, for the next Open.
func (f *File) Close() error {
	f.mu.Lock()
	f.stop()
	err := f.drop()
	f.mu.Unlock()
	f.tidied.Wait()
	return err
}

// open opens the file at the path. The caller holds mu.
func (f *File) open() error {
	file, err := os.OpenFile(f.o.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, mode)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = errors.Join(file.Chmod(mode), endLine(file, info.Size()))
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}

	// Where the last line was ended, the size has changed.
	f.file, f.pipe, f.last = file, !info.Mode().IsRegular(), info.ModTime()
	if info, err = file.Stat(); err == nil {
		f.size = info.Size()
	}
	return err
}

// endLine ends the last line of a file, which a crash may have cut off.
func endLine(file *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	var end [1]byte
	if _, err := file.ReadAt(end[:], size-1); err != nil || end[0] == '\n' {
		return err
	}
	_, err := file.WriteString("\n")
	return err
}

// drop syncs and closes the file. The caller holds mu.
func (f *File) drop() error {
	if f.file == nil {
		return nil
	}
	var err error
	if !f.pipe {
		err = f.file.Sync()
	}
	err = errors.Join(err, f.file.Close())
	f.file = nil
	return err
}

// turn ends the part if the next lines are too many for it, or of a later time, and makes sure that a
// file is open. The caller holds mu.
func (f *File) turn(more int64) error {
	if f.file == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	full := f.o.MaxBytes > 0 && f.size+more > f.o.MaxBytes
	old := f.o.MaxAge > 0 && f.o.Now().Truncate(f.o.MaxAge).After(f.last.Truncate(f.o.MaxAge))
	if f.size == 0 || f.pipe || !full && !old {
		return nil
	}

	if err := f.drop(); err != nil {
		return err
	}
	part, err := f.nextPart()
	if err == nil {
		err = os.Rename(f.o.Path, part)
	}
	if err != nil {
		return fmt.Errorf("finish a part of the log: %w", err)
	}
	f.tidy()
	return f.open()
}
