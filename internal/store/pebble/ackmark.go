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

// ackMark is the file that holds the number of the latest acknowledged commit: eight bytes and
// their CRC-32, overwritten in place. It is synced when the store is closed.
type ackMark struct {
	file vfs.File
	buf  [markSize]byte
}

const (
	ackMarkName = "acknowledged"
	markSize    = 12
)

func createAckMark(disk vfs.FS, dir string, number uint64) (*ackMark, error) {
	f, err := disk.OpenReadWrite(disk.PathJoin(dir, ackMarkName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	m := &ackMark{file: f}
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

func (m *ackMark) write(number uint64) error {
	binary.BigEndian.PutUint64(m.buf[:8], number)
	binary.BigEndian.PutUint32(m.buf[8:], crc32.ChecksumIEEE(m.buf[:8]))
	_, err := m.file.WriteAt(m.buf[:], 0)
	return err
}

func (m *ackMark) close() error { return errors.Join(m.file.Sync(), m.file.Close()) }

// readMark reads the number; there is none in a backup or a folder that was never opened.
func readMark(disk vfs.FS, dir string) (number uint64, found bool, err error) {
	f, err := disk.Open(disk.PathJoin(dir, ackMarkName))
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
		return 0, false, fmt.Errorf("%w: %s does not hold a number with its checksum", store.ErrCorrupt, ackMarkName)
	}
	return binary.BigEndian.Uint64(raw), true, nil
}
