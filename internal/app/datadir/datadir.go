// Package datadir is the folder that holds everything a node keeps. It promises:
//
//   - A folder is taken only when it is Carillon's own, empty, or absent. A marker file decides, so
//     a mistyped path never gets files strewn among other documents.
//   - One process has the folder at a time; a crash releases it.
//   - Fresh removes the stored data and no more: not the certificates, not files that
//     were put there by hand.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	marker  = "CARILLON"
	lock    = "lock"
	store   = "store"
	removed = "store.removed" // a store on its way out
)

const markerText = "This folder belongs to Carillon. Change nothing here while it runs.\n"

// Errors of Open.
var (
	ErrNotOurs = errors.New("not empty and not made by Carillon; choose an empty or new folder")
	ErrInUse   = errors.New("in use by another Carillon process")
)

// Dir is a folder held by this process.
type Dir struct {
	path string
	lock io.Closer
}

// Open takes the folder, making it when absent. With fresh the stored data is removed first.
// Close gives it free.
func Open(path string, fresh bool) (*Dir, error) {
	d := &Dir{path: path}
	if err := d.open(fresh); err != nil {
		return nil, fmt.Errorf("data folder %s: %w", path, errors.Join(err, d.Close()))
	}
	return d, nil
}

// Store is where the storage engine keeps its files.
func (d *Dir) Store() string { return filepath.Join(d.path, store) }

// TLS is where certificates are.
func (d *Dir) TLS() string { return filepath.Join(d.path, "tls") }

// Close gives the folder free. Calling it again does nothing.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	held := d.lock
	d.lock = nil
	return held.Close()
}

func (d *Dir) open(fresh bool) error {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	if err := d.claim(); err != nil {
		return err
	}
	held, err := takeLock(filepath.Join(d.path, lock))
	if err != nil {
		return err
	}
	d.lock = held
	return d.clear(fresh)
}

// clear finishes a removal that was cut short, and with fresh removes the store. It is renamed
// first, so that it is there whole or not at all whenever the machine stops.
func (d *Dir) clear(fresh bool) error {
	gone := filepath.Join(d.path, removed)
	if err := os.RemoveAll(gone); err != nil || !fresh {
		return err
	}
	if err := os.Rename(d.Store(), gone); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return os.RemoveAll(gone)
}

// claim marks an empty folder as ours, and refuses one that holds other files.
func (d *Dir) claim() error {
	ours, err := isOurs(d.path)
	if err != nil || ours {
		return err
	}
	return os.WriteFile(filepath.Join(d.path, marker), []byte(markerText), 0o600)
}

// isOurs reports whether the folder is marked. One that is not has to be empty.
func isOurs(path string) (bool, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return false, err
	}

	empty := true
	for _, entry := range entries {
		if entry.Name() == marker && entry.Type().IsRegular() {
			return true, nil
		}
		if entry.Name() != "lost+found" { // the root of a volume of its own
			empty = false
		}
	}

	if !empty {
		return false, ErrNotOurs
	}
	return false, nil
}
