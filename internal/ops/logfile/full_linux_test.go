package logfile_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/carillon-chat/carillon/internal/ops/logfile"
	"github.com/carillon-chat/carillon/internal/store/disktest"
)

// TestAFullDisk: no part of a line stays, and lines go on once there is room.
func TestAFullDisk(t *testing.T) {
	disk := disktest.Mount(t, "1m")
	b := newBed(t, logfile.Options{})
	b.path = filepath.Join(disk, "logs", "audit.log")
	b.o.Path = b.path
	f := b.open()
	defer f.Close()
	b.write(f, "one")
	remove := disktest.Fill(t, disk, 4096)
	if _, err := f.Write([]byte(strings.Repeat("x", 20_000) + "\n")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	b.expect("audit.log: one")
	remove()
	b.write(f, "two")
	b.expect("audit.log: one two")
}
