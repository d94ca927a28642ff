package logfile

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A finished part of audit.log is audit-20261130T094512.123Z.log, and compressed the same with .gz. Names
// sort as the parts follow one another.
const (
	stamp   = "20060102T150405.000Z"
	packed  = ".gz"
	partial = ".gz.tmp"
)

// around are the beginning and the end of the names of parts.
func (f *File) around() (prefix, suffix string) {
	suffix = filepath.Ext(f.o.Path)
	return strings.TrimSuffix(f.o.Path, suffix) + "-", suffix
}

// nextPart is the name for the part that ends now: behind all that there are, whatever the clock says.
func (f *File) nextPart() (string, error) {
	prefix, suffix := f.around()
	parts, err := f.parts()
	if err != nil {
		return "", err
	}
	at := f.o.Now().UTC().Truncate(time.Millisecond)
	if len(parts) > 0 {
		latest, err := time.Parse(stamp, f.stampOf(parts[len(parts)-1]))
		if err == nil && !at.After(latest) {
			at = latest.Add(time.Millisecond)
		}
	}
	return prefix + at.Format(stamp) + suffix, nil
}

// stampOf is the time in the name of a part.
func (f *File) stampOf(part string) string {
	prefix, suffix := f.around()
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(part, prefix), packed), suffix)
}

// parts are the paths of the finished parts, the oldest first.
func (f *File) parts() ([]string, error) {
	prefix, suffix := f.around()
	entries, err := os.ReadDir(filepath.Dir(f.o.Path))
	if err != nil {
		return nil, err
	}
	var parts []string
	for _, entry := range entries {
		path := filepath.Join(filepath.Dir(f.o.Path), entry.Name())
		if !strings.HasPrefix(path, prefix) || !strings.HasSuffix(strings.TrimSuffix(path, packed), suffix) {
			continue
		}
		if _, err := time.Parse(stamp, f.stampOf(path)); err == nil {
			parts = append(parts, path)
		}
	}
	slices.Sort(parts)
	return parts, nil
}

// tidy has the finished parts compressed, and those beyond Keep removed. The caller holds mu.
func (f *File) tidy() {
	if f.again = true; f.tidying {
		return
	}
	f.tidying = true
	f.tidied.Go(func() {
		for f.more() {
			if err := f.pack(f.stopping); err != nil && !errors.Is(err, context.Canceled) {
				f.o.Log.Error("a finished part of a log stays uncompressed", "log", f.o.Path, "error", err)
			}
		}
	})
}

// more reports whether a part was finished since the last look.
func (f *File) more() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tidying = f.again && f.stopping.Err() == nil
	f.again = false
	return f.tidying
}

// pack compresses the parts that are not, and removes the oldest ones.
func (f *File) pack(ctx context.Context) error {
	parts, err := f.parts()
	if err != nil {
		return err
	}
	if extra := len(parts) - f.o.Keep; f.o.Keep > 0 && extra > 0 {
		for _, part := range parts[:extra] {
			err = errors.Join(err, os.Remove(part))
		}
		parts = parts[extra:]
	}
	for _, part := range parts {
		if !strings.HasSuffix(part, packed) {
			err = errors.Join(err, compress(ctx, part))
		}
	}
	return err
}

// compress replaces a part by its compressed form, which gets its name when it is whole and on the disk.
func compress(ctx context.Context, part string) (err error) {
	temporary := part + partial
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("compress %s: %w", part, err), removeIfThere(temporary))
		}
	}()
	from, err := os.Open(part)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}

	// It ends early when the file is closed.
	zip := gzip.NewWriter(to)
	_, err = io.Copy(zip, reader{ctx, from})
	if err = errors.Join(err, zip.Close(), to.Sync(), to.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, part+packed); err != nil {
		return err
	}
	return os.Remove(part)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// reader ends with ctx.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}
