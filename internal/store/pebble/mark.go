package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/carillon-chat/carillon/internal/store"
)

// mark is the file that holds the number of the latest acknowledged commit: eight bytes and
// their CRC-32, overwritten in place. It is synced when the store is closed.
type mark struct {
	file vfs.File
	room [markSize]byte
}

const (
	markName = "acknowledged"
	markSize = 12
)

func createMark(disk vfs.FS, dir string, number uint64) (*mark, error) {
	f, err := disk.OpenReadWrite(disk.PathJoin(dir, markName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	m := &mark{file: f}
	if err = m.write(number); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncFolder(disk, dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

func syncFolder(disk vfs.FS, dir string) error {
	f, err := disk.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (m *mark) write(number uint64) error {
	binary.BigEndian.PutUint64(m.room[:8], number)
	binary.BigEndian.PutUint32(m.room[8:], crc32.ChecksumIEEE(m.room[:8]))
	_, err := m.file.WriteAt(m.room[:], 0)
	return err
}

func (m *mark) close() error { return errors.Join(m.file.Sync(), m.file.Close()) }

// readMark reads the number; there is none in a backup or a folder that was never opened.
func readMark(disk vfs.FS, dir string) (number uint64, found bool, err error) {
	f, err := disk.Open(disk.PathJoin(dir, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, markSize+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, false, err
	}
	if len(raw) == 0 { // made, but the power went before it was written
		return 0, false, nil
	}
	if len(raw) != markSize || binary.BigEndian.Uint32(raw[8:]) != crc32.ChecksumIEEE(raw[:8]) {
		return 0, false, fmt.Errorf("%w: %s does not hold a number with its checksum", store.ErrCorrupt, markName)
	}
	return binary.BigEndian.Uint64(raw), true, nil
}
