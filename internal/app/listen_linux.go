package app

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// The probes of a connection on which nothing is sent, by which the kernel notices that the peer has gone.
// They are Go's own.
const (
	probeAfter  = 15 // seconds
	probeEvery  = 15 // seconds
	probesCount = 9
)

// listenTCP has connections inherit the probes from their listener: to set them on each takes four system calls.
func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	inherited := net.ListenConfig{
		KeepAlive: -1, // it is on already
		Control: func(_, _ string, raw syscall.RawConn) (err error) {
			failed := raw.Control(func(fd uintptr) { err = probe(int(fd)) })
			return errors.Join(failed, err)
		},
	}
	if listener, err := inherited.Listen(ctx, "tcp", address); err == nil {
		return listener, nil
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", address) // older kernels take no probes for Multipath TCP
}

// probe turns the probes of a socket on.
func probe(fd int) error {
	for _, option := range [...]struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, probeAfter},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, probeEvery},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probesCount},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			return err
		}
	}
	return nil
}
