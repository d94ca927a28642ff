package disktest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Mount mounts a disk of a size, such as "64m", until the test ends.
func Mount(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("NOT TESTED: a real full disk, because a small one cannot be mounted: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error("unmount:", err)
		}
	})
	return dir
}

// Fill takes all but so many bytes of a disk, until remove gives them back.
func Fill(t *testing.T, disk string, but int64) (remove func()) {
	t.Helper()
	var usage syscall.Statfs_t
	if err := syscall.Statfs(disk, &usage); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(disk, "filler")
	if err := os.WriteFile(name, make([]byte, int64(usage.Bavail)*usage.Bsize-but), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}
