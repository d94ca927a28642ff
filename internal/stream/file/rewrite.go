package file

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/carillon-chat/carillon/internal/ops/logfile"
)

// Rewrite replaces each line of the files that are in the folder by what f returns for it, without its line feed;
// nil removes it. The current file is rotated first, so that readers which follow it are not disturbed. A
// file is replaced as a whole, or stays as it was when f changes nothing in it. After an error or a crash
// another call goes on.
func (s *Sink) Rewrite(ctx context.Context, f func(line []byte) []byte) error {
	if err := s.finish(); err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(s.o.Folder, "events-*.jsonl"+logfile.Packed))
	for i := 0; i < len(names) && err == nil; i++ {
		err = rewrite(ctx, names[i], f)
	}
	return err
}

// finish rotates the current file unless it is empty.
func (s *Sink) finish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.packLeft(); err != nil { // what a failed rotation left
		return err
	}
	if s.file == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.size == 0 {
		return nil
	}
	return s.rotate()
}

// rewrite replaces a packed file, unless nothing in it changes.
func rewrite(ctx context.Context, name string, f func([]byte) []byte) (err error) {
	temporary := name + ".tmp"
	from, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) { // the operator took it away meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	changed, err := rewriteLines(ctx, from, to, f)
	if err = errors.Join(err, to.Sync(), to.Close()); err != nil || !changed {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, name); err != nil {
		return err
	}
	return logfile.SyncFolder(filepath.Dir(name))
}

func rewriteLines(ctx context.Context, from io.Reader, to io.Writer, f func([]byte) []byte) (changed bool, err error) {
	unzip, err := gzip.NewReader(from)
	if err != nil {
		return false, err
	}
	zip := gzip.NewWriter(to)
	lines := bufio.NewReader(unzip)
	for err == nil {
		var line []byte
		if line, err = lines.ReadBytes('\n'); err != nil { // each line is ended
			break
		}
		line = line[:len(line)-1]
		now := f(line)
		changed = changed || !bytes.Equal(now, line)
		if now != nil {
			_, err = zip.Write(append(now[:len(now):len(now)], '\n'))
		}
		err = cmp.Or(err, ctx.Err())
	}

	if errors.Is(err, io.EOF) {
		err = nil
	}
	return changed, errors.Join(err, zip.Close())
}
