//go:build !windows

package logfile

import (
	"errors"
	"os"
)

// SyncFolder puts the names in a folder on the disk.
func SyncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
