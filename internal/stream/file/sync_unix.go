//go:build !windows

package file

import (
	"errors"
	"os"
)

// syncFolder puts the names in a folder on the disk.
func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
