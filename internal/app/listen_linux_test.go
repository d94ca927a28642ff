package app

import (
	"context"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// An accepted connection has the options that it has from Go's own listener.
func TestConnectionsAreProbedAsGoDoes(t *testing.T) {
	accept := func(listen func(context.Context, string) (net.Listener, error)) map[string]int {
		t.Helper()
		listener, err := listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()

		options := map[string]int{}
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Control(func(fd uintptr) {
			for name, option := range map[string][2]int{
				"keep-alive": {unix.SOL_SOCKET, unix.SO_KEEPALIVE}, "idle": {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
				"interval": {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}, "count": {unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
				"no delay": {unix.IPPROTO_TCP, unix.TCP_NODELAY},
			} {
				if options[name], err = unix.GetsockoptInt(int(fd), option[0], option[1]); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return options
	}

	got, want := accept(listenTCP), accept(func(ctx context.Context, address string) (net.Listener, error) {
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	})
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %d, want %d", name, got[name], value)
		}
	}
}
