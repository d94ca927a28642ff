package pebble

import (
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A sync that makes the log longer takes about twice as long, so few do.
func TestFewSyncsFindALongerLog(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	defer closed(t, s)
	writeMany(t, s, 1, 1)

	syncs, longer, size := 0, 0, int64(0)
	measure := func(op errorfs.Op) error {
		if op.Kind != errorfs.OpFileSyncData || !strings.HasSuffix(op.Path, ".log") {
			return nil
		}
		info, err := d.mem.Stat(op.Path)
		if err != nil {
			t.Error(err)
			return nil
		}
		if syncs++; info.Size() > size {
			longer++
		}
		size = info.Size()
		return nil
	}
	d.inject.Store(&measure)
	writeMany(t, s, 2, 200)
	d.heal()
	if syncs < 199 || longer > 2 {
		t.Errorf("%d of %d syncs found the log longer than the one before", longer, syncs)
	}
	again := d.reopen(t)
	defer closed(t, again)
	if err := readAll(again, 200); err != nil {
		t.Errorf("after a kill: %v", err)
	}
}

// A disk that has no room for zeros may have room for records.
func TestALogWithoutZerosGoesOn(t *testing.T) {
	d := newTestDisk()
	d.fail(syscall.ENOSPC, ".log", errorfs.OpFileWriteAt)
	s := d.open(t)
	defer closed(t, s)
	writeMany(t, s, 1, 50)
	again := d.reopen(t)
	defer closed(t, again)
	if err := readAll(again, 50); err != nil {
		t.Error(err)
	}
}
