//go:build !windows

package app

import (
	"errors"
	"syscall"
)

// isInUse reports whether a port could not be taken because another socket has it.
func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
