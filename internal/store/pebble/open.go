package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/carillon-chat/carillon/internal/store"
)

// lockFolder makes the folder where there is none, for its owner only, and locks it.
func lockFolder(disk vfs.FS, dir string) (*crdb.Lock, error) {
	if err := disk.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := crdb.LockDirectory(dir, disk)
	var cannot *fs.PathError
	if err != nil && !errors.As(err, &cannot) {
		err = fmt.Errorf("%w: %w", store.ErrInUse, err)
	}
	return lock, err
}

// open opens the engine and turns a panic over what it finds into an error.
func open(dir string, options *crdb.Options) (db *crdb.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, fmt.Errorf("%w: %v", store.ErrCorrupt, p)
		}
	}()
	return crdb.Open(dir, options)
}

// unreadable distinguishes a damaged folder from one that cannot be read for another reason.
func unreadable(err error) error {
	var cannot *fs.PathError
	switch {
	case strings.Contains(err.Error(), "unknown format major version"):
		return fmt.Errorf("%w: %w", store.ErrNewer, err)
	case errors.Is(err, store.ErrCorrupt):
		return err
	case errors.As(err, &cannot) && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return damaged(err)
}

// damage names corruption that the engine found as such, and the want of descriptors, which passes;
// other errors stay as they are.
func damage(err error) error {
	switch {
	case err == nil:
		return nil
	case outOfFiles(err):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	case crdb.IsCorruptionError(err):
		return damaged(err)
	}
	return err
}

func damaged(err error) error {
	d := &damageError{cause: err}
	if info := crdb.ExtractDataCorruptionInfo(err); info != nil {
		d.file = info.Path
	}
	return d
}

// damageError is store.ErrCorrupt with the file, as far as it is known, and the cause.
type damageError struct {
	file  string
	cause error
}

func (d *damageError) Error() string {
	cause, _, _ := strings.Cut(d.cause.Error(), "\n") // further lines repeat the file
	if d.file == "" {
		return fmt.Sprintf("%v: %s", store.ErrCorrupt, cause)
	}
	return fmt.Sprintf("%v: %s: %s", store.ErrCorrupt, d.file, cause)
}

func (d *damageError) Unwrap() []error { return []error{store.ErrCorrupt, d.cause} }
