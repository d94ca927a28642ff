package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/carillon-chat/carillon/internal/ops/logfile"
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
	return n, name == plain || name == plain+logfile.Packed
}

// packLeft packs rotated files that a crash left unpacked.
func (s *Sink) packLeft() error {
	entries, err := os.ReadDir(s.o.Folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, ok := numberOf(entry.Name()); ok && !strings.HasSuffix(entry.Name(), logfile.Packed) {
			err = errors.Join(err, logfile.Compress(context.Background(), filepath.Join(s.o.Folder, entry.Name())))
		}
	}
	return err
}
