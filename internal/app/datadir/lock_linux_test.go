package datadir_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carillon-chat/carillon/internal/app/datadir"
)

// Versions before this one locked the same file for their process.
func TestAFolderOfAnOlderProcessIsInUse(t *testing.T) {
	path := t.TempDir()
	_ = open(t, path, false).Close()
	file, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, attempt := range map[string]func() error{
		"open": func() error {
			_, err := datadir.Open(path, true)
			return err
		},
		"check": func() error { return datadir.Check(path) },
	} {
		// An attempt in the same process ends such a lock, so each has one of its own.
		if err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
			t.Fatal(err)
		}
		if err := attempt(); !errors.Is(err, datadir.ErrInUse) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
