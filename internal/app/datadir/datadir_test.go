package datadir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/carillon-chat/carillon/internal/app/datadir"
)

func open(t *testing.T, path string, fresh bool) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path, fresh)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestFreshRemovesOnlyStoredData(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "data") // absent, and so is the folder above
	d := open(t, path, true)
	stored, certificate, stranger := filepath.Join(d.Store(), "000001.log"), filepath.Join(d.TLS(), "ca.pem"), filepath.Join(path, "backup.tar")
	for _, file := range []string{stored, certificate, stranger} {
		write(t, file)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d = open(t, path, false); !exists(stored) {
		t.Error("stored data is lost without being asked for")
	}
	_ = d.Close()
	if open(t, path, true); exists(stored) {
		t.Error("stored data survives")
	}
	if !exists(certificate) || !exists(stranger) {
		t.Error("more than the stored data is gone")
	}
}

func TestRemovalCutShortIsFinished(t *testing.T) {
	path := t.TempDir()
	d := open(t, path, false)
	rest := filepath.Join(path, "store.removed", "000001.log")
	write(t, rest)
	write(t, filepath.Join(d.Store(), "000002.log"))
	_ = d.Close()
	open(t, path, true)
	if exists(rest) || exists(d.Store()) {
		t.Error("something of the store is left")
	}
}

func TestForeignFolderIsLeftAlone(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		path := t.TempDir()
		letter := filepath.Join(path, "store", "letter.txt")
		write(t, letter)
		if _, err := datadir.Open(path, fresh); !errors.Is(err, datadir.ErrNotOurs) {
			t.Errorf("fresh %v: %v", fresh, err)
		}
		if entries, _ := os.ReadDir(path); len(entries) != 1 || !exists(letter) {
			t.Errorf("fresh %v: the folder was changed: %v", fresh, entries)
		}
	}
}

func TestEmptyFolderAndVolumeAreTaken(t *testing.T) {
	open(t, t.TempDir(), true)
	volume := t.TempDir()
	if err := os.Mkdir(filepath.Join(volume, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, volume, false)
}

func TestOneHolderAtATime(t *testing.T) {
	path := t.TempDir()
	d := open(t, path, false)
	stored := filepath.Join(d.Store(), "000001.log")
	write(t, stored)
	if _, err := datadir.Open(path, true); !errors.Is(err, datadir.ErrInUse) {
		t.Errorf("a second holder: %v", err)
	}
	if !exists(stored) {
		t.Error("a second start removed the data of the running one")
	}
	_ = d.Close()
	open(t, path, false)
}

func TestFileInPlaceOfFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path)
	var cause *fs.PathError
	if _, err := datadir.Open(path, true); !errors.As(err, &cause) {
		t.Errorf("%v", err)
	}
	if !exists(path) {
		t.Error("the file is gone")
	}
}
