//go:build !windows

package descriptors

import (
	"math"
	"syscall"
)

// Limit is how many files the process may have open, zero when that is not known. Go has raised the
// soft limit to the hard one by then.
func Limit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
