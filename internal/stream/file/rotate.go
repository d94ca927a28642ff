package file

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// number is the one after those of all rotated files that were seen.
func (s *Sink) number() (int, error) {
	entries, err := os.ReadDir(s.o.Folder)
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		if n, ok := numberOf(entry.Name()); ok {
			s.next = max(s.next, n)
		}
	}
	s.next++
	return s.next, nil
}

// numberOf reads the number of a rotated file, packed or not.
func numberOf(name string) (n int, ok bool) {
	if _, err := fmt.Sscanf(name, "events-%d.jsonl", &n); err != nil {
		return 0, false
	}
	plain := fmt.Sprintf(rotated, n)
	return n, name == plain || name == plain+packed
}

// packLeft packs rotated files that a crash left unpacked.
func (s *Sink) packLeft() error {
	entries, err := os.ReadDir(s.o.Folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, ok := numberOf(entry.Name()); ok && !strings.HasSuffix(entry.Name(), packed) {
			err = errors.Join(err, pack(filepath.Join(s.o.Folder, entry.Name())))
		}
	}
	return err
}

// pack replaces a file by its compressed form: at each moment one of both is there as a whole.
func pack(name string) error {
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	half := name + packed + ".tmp"
	to, err := os.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}

	writer := gzip.NewWriter(to)
	_, err = io.Copy(writer, from)
	if err = errors.Join(err, writer.Close()); err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}

	if err := os.Rename(half, name+packed); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(name)); err != nil {
		return err
	}
	return os.Remove(name)
}
