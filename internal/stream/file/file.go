// Package file is a sink of streams that writes lines of JSON to files of one folder. What is written is on
// the disk before Write returns. events.jsonl grows to a size and becomes events-NUMBER.jsonl.gz, with
// numbers that rise; these files are the operator's, and the sink reads and changes them in Rewrite alone.
//
// One process writes to a folder at a time. A line that a crash cut off is removed at the next start: its
// record is written again.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/carillon-chat/carillon/internal/ops/logfile"
	"github.com/carillon-chat/carillon/internal/stream"
)

// DefaultSize is how large events.jsonl grows unless Options say otherwise, in bytes.
const DefaultSize = 64 << 20

const (
	current = "events.jsonl"
	rotated = "events-%06d.jsonl"
)

// Options of a Sink.
type Options struct {
	Folder string // made when absent
	// Size is how many bytes events.jsonl has when it is rotated; one Write may exceed it. Zero means
	// DefaultSize.
	Size int64
}

// Sink writes to the files of a folder.
type Sink struct {
	o Options

	mu   sync.Mutex
	file *os.File // nil after a failure, until it is opened again
	size int64    // of what is in it
	next int      // number of the next rotated file
}

var _ stream.Sink = (*Sink)(nil)

// Open opens the folder, and finishes what a crash interrupted.
func Open(o Options) (*Sink, error) {
	if o.Size <= 0 {
		o.Size = DefaultSize
	}
	if err := os.MkdirAll(o.Folder, 0o700); err != nil {
		return nil, err
	}
	s := &Sink{o: o}
	return s, errors.Join(s.packLeft(), s.open())
}

// Write appends the records, each as a line, and returns when they are on the disk. With an error none is
// reported as written.
func (s *Sink) Write(_ context.Context, records []stream.Record) (written []string, err error) {
	var lines bytes.Buffer
	for _, r := range records {
		lines.Write(r.Data)
		lines.WriteByte('\n')
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		if err := s.open(); err != nil {
			return nil, err
		}
	}
	if s.size > 0 && s.size+int64(lines.Len()) > s.o.Size {
		if err := s.rotate(); err != nil {
			return nil, err
		}
	}
	return nil, s.append(lines.Bytes())
}

// Close closes the file.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// append writes whole lines. After a failure the file ends as before, now or when it is opened again.
func (s *Sink) append(lines []byte) error {
	_, err := s.file.WriteAt(lines, s.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err == nil {
		s.size += int64(len(lines))
		return nil
	}
	err = errors.Join(err, s.file.Truncate(s.size), s.file.Close())
	s.file = nil
	return err
}

// open opens the current file and cuts off an unfinished last line.
func (s *Sink) open() error {
	file, err := os.OpenFile(filepath.Join(s.o.Folder, current), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	size, err := wholeLines(file)
	if err == nil {
		err = file.Truncate(size)
	}
	if err == nil {
		err = logfile.SyncFolder(s.o.Folder)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	s.file, s.size = file, size
	return nil
}

// wholeLines is how many bytes of a file are finished lines.
func wholeLines(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	end := info.Size()
	for piece := make([]byte, 64<<10); end > 0; {
		from := max(0, end-int64(len(piece)))
		part := piece[:end-from]
		if _, err := file.ReadAt(part, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		end = from
	}
	return 0, nil
}

// rotate closes the current file, packs it under the next number, and opens a new one.
func (s *Sink) rotate() error {
	err := s.file.Close()
	s.file = nil
	if err != nil {
		return err
	}
	number, err := s.number()
	if err != nil {
		return err
	}
	name := filepath.Join(s.o.Folder, fmt.Sprintf(rotated, number))
	if err := os.Rename(filepath.Join(s.o.Folder, current), name); err != nil {
		return err
	}
	if err := logfile.Compress(context.Background(), name); err != nil {
		return err
	}
	return s.open()
}
