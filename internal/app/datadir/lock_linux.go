package datadir

import "golang.org/x/sys/unix"

// lockFile locks the open file rather than the process, so that two in one process exclude each other; the
// locks of processes that earlier versions took exclude it too.
func lockFile(fd uintptr) error {
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	return unix.FcntlFlock(fd, unix.F_OFD_SETLK, &whole)
}
