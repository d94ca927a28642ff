package logfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A finished part of audit.log is audit-20261130T094512.123Z.log, and compressed the same with .gz. Names
// sort as the parts follow one another.
const stamp = "20060102T150405.000Z"

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
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(part, prefix), Packed), suffix)
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
		if !strings.HasPrefix(path, prefix) || !strings.HasSuffix(strings.TrimSuffix(path, Packed), suffix) {
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
		if !strings.HasSuffix(part, Packed) {
			err = errors.Join(err, Compress(ctx, part))
		}
	}
	return err
}
