package pebble

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/disktest"
)

func TestRealDiskReserve(t *testing.T) {
	disk := disktest.Mount(t, "64m")
	remove := disktest.Fill(t, disk, 16<<20)
	s, err := Open(filepath.Join(disk, "data"), Options{ReserveBytes: 8 << 20, memTableSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	var acknowledged uint64
	ballast := make([]byte, 32<<10)
	random := rand.NewChaCha8([32]byte{})
	for err == nil && acknowledged < 2000 {
		if err = write(s, acknowledged+1); err != nil {
			break
		}
		acknowledged++
		_, _ = random.Read(ballast) // knows no error
		err = s.Update(context.Background(), "", func(tx store.Tx) error {
			return tx.Put(table+1, store.K("ballast").Num(acknowledged), ballast)
		})
	}
	if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("refused with %v", err)
	}
	if err := readAll(s, acknowledged); err != nil {
		t.Errorf("reading: %v", err)
	}
	remove()
	eventually(t, func() error { return write(s, acknowledged+1) })
	if err := readAll(s, acknowledged+1); err != nil {
		t.Error(err)
	}
}

func TestRealDiskFull(t *testing.T) {
	disk := disktest.Mount(t, "64m")
	dir := filepath.Join(disk, "data")
	options := Options{ReserveBytes: -1, memTableSize: 1 << 20}
	s, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	remove := disktest.Fill(t, disk, 4<<20)
	acknowledged, err := writeUntilRefused(t, s, 1)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("refused with %v", err)
	}
	closed(t, s)

	// The disk is still full. When the log does not fit into memory the store waits for room, and says so.
	said := make(lines, 1)
	options.Logger = slog.New(slog.NewTextHandler(said, nil))
	opened := make(chan error, 1)
	go func() {
		s, err := Open(dir, options)
		if err == nil {
			err = errors.Join(readAll(s, acknowledged), s.Close())
		} else if errors.Is(err, store.ErrFull) {
			err = nil
		}
		opened <- err
	}()
	select {
	case err = <-opened:
		remove()
	case <-said:
		remove()
		err = <-opened
	}
	if err != nil {
		t.Errorf("opening on a full disk: %v", err)
	}

	options.Logger = nil
	s, err = Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	if err := readAll(s, acknowledged); err != nil {
		t.Error(err)
	}
}

// lines has an entry when a log was written to.
type lines chan struct{}

func (t lines) Write(p []byte) (int, error) {
	select {
	case t <- struct{}{}:
	default:
	}
	return len(p), nil
}

// TestSmallDisks: with the sizes that are chosen for it, a disk of a few hundred megabytes takes a
// tenth of that in changes, and the log does not fill it.
func TestSmallDisks(t *testing.T) {
	for size, changes := range map[string]int{"330m": 1000, "600m": 2000, "1g": 3000} { // of 32 KiB
		t.Run(size, func(t *testing.T) {
			s, err := Open(filepath.Join(disktest.Mount(t, size), "data"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer closed(t, s)
			random, value := rand.NewChaCha8([32]byte{}), make([]byte, 32<<10)
			for i := range changes {
				_, _ = random.Read(value) // knows no error
				err := s.Update(context.Background(), "", func(tx store.Tx) error { return tx.Put(table, store.K("value").Num(uint64(i)), value) })
				if err != nil {
					t.Fatalf("after %d KB: %v", i*32, err)
				}
			}
		})
	}
}
