package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Check returns why Open would refuse the folder, and leaves it as it is.
func Check(path string) error {
	if err := check(path); err != nil {
		return fmt.Errorf("data folder %s: %w", path, err)
	}
	return nil
}

// check finds what Open would: a folder that can be made, or one that is ours, free and writable.
func check(path string) error {
	// A folder that does not exist can be made where its parent can be written.
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		parent := filepath.Dir(filepath.Clean(path))
		if parent == path {
			return err
		}
		if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) {
			return check(parent) // it is made as well
		}
		return writable(parent)
	} else if err != nil {
		return err
	}

	ours, err := isOurs(path)
	if err != nil {
		return err
	}

	if ours {
		held, err := takeLock(filepath.Join(path, lock))
		if err != nil {
			return err
		}
		defer held.Close()
	}
	return writable(path)
}

// writable makes a folder in the folder and removes it.
func writable(path string) error {
	made, err := os.MkdirTemp(path, "check-*")
	if err != nil {
		return err
	}
	return os.Remove(made)
}
