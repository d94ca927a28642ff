//go:build !linux && !windows

package datadir

import "golang.org/x/sys/unix"

func lockFile(fd uintptr) error { return unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) }
