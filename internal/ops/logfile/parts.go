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
	last := f.read
	if len(parts) > 0 {
		last = max(last, f.stampOf(parts[len(parts)-1]))
	}
	if latest, err := time.Parse(stamp, last); err == nil && !at.After(latest) {
		at = latest.Add(time.Millisecond)
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

// pack compresses the parts that are not, and removes the oldest ones. It leaves what a Tail has to read.
func (f *File) pack(ctx context.Context) error {
	parts, err := f.parts()
	if err != nil {
		return err
	}
	if extra := len(parts) - f.o.Keep; f.o.Keep > 0 && extra > 0 {
		err = f.remove(parts[:extra])
		parts = parts[extra:]
	}
	for _, part := range parts {
		if !strings.HasSuffix(part, Packed) && f.isRead(part) {
			err = errors.Join(err, Compress(ctx, part))
		}
	}
	return err
}

// isRead reports whether no Tail has to read a part.
func (f *File) isRead(part string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.o.Backlog == 0 || f.keeping && f.stampOf(part) <= f.read
}

// remove removes parts, the oldest of which comes first, but for those that a Tail has to read and that Backlog has
// room for.
func (f *File) remove(parts []string) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.o.Backlog > 0 && !f.keeping {
		return nil
	}

	// The newest of those that were not read stay.
	unread := slices.IndexFunc(parts, func(part string) bool { return f.o.Backlog > 0 && f.stampOf(part) > f.read })
	if unread < 0 {
		unread = len(parts)
	}
	staying, bytes := len(parts), int64(0)
	for staying > unread {
		info, err := os.Stat(parts[staying-1])
		if err != nil {
			return err
		}
		if bytes += info.Size(); bytes > f.o.Backlog {
			break
		}
		staying--
	}

	// Of the others some may not have been read.
	for i, part := range parts[:staying] {
		if err := os.Remove(part); err != nil {
			return err
		}
		if i >= unread {
			f.floor = f.stampOf(part)
			f.givenUp++
			f.o.Log.Error("a finished part of a log was removed before it was sent, because there is too much that waits", "part", part)
		}
	}
	return nil
}
