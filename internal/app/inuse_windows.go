package app

import (
	"errors"
	"syscall"
)

// wsaAddrInUse is WSAEADDRINUSE, which syscall does not name.
const wsaAddrInUse = syscall.Errno(10048)

// isInUse reports whether a port could not be taken because another socket has it.
func isInUse(err error) bool { return errors.Is(err, wsaAddrInUse) }
