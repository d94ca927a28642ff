package wsconn

import (
	"net"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Every socket that can be taken over is.
func TestEpollTakesSocketsOver(t *testing.T) {
	for _, w := range []way{{EngineAuto, false}, {EngineEpoll, false}, {EngineEpoll, true}} {
		hub := newFakeHub()
		s, address := w.start(t, Options{Hub: hub})
		dial(t, address)
		hub.session(t)
		for _, c := range s.wheel.all() {
			if l, ok := c.link.(*polled); !ok || (l.secure != nil) != w.secure {
				t.Errorf("%+v: the link is a %T", w, c.link)
			}
		}
	}
}

// The kernel holds a bounded number of bytes for a peer, and gives up one that acknowledges nothing
// when two pings would have stayed without an answer.
func TestKernelLimits(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		hub := newFakeHub()
		s, address := w.start(t, Options{Hub: hub, PingInterval: 30 * time.Second, SendBuffer: 32 << 10})
		dial(t, address)
		hub.session(t)
		for _, c := range s.wheel.all() {
			options := func(fd int) {
				silence, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
				if err != nil || silence != 60_000 {
					t.Errorf("TCP_USER_TIMEOUT is %d, %v", silence, err)
				}
				room, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
				if err != nil || room != 64<<10 { // the kernel counts its own use twice
					t.Errorf("SO_SNDBUF is %d, %v", room, err)
				}
			}
			switch l := c.link.(type) {
			case *polled:
				l.mu.Lock() // the descriptor stays open meanwhile
				options(int(l.fd))
				l.mu.Unlock()
			case *blocking:
				raw, err := innermost(l.nc).(*net.TCPConn).SyscallConn()
				if err != nil {
					t.Fatal(err)
				}
				if err := raw.Control(func(fd uintptr) { options(int(fd)) }); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// What a connection remembers has to fit into 256 bytes, which is what the allocator gives it.
func TestAnIdleConnectionStaysSmall(t *testing.T) {
	if size := unsafe.Sizeof(polled{}); size > 256 {
		t.Errorf("a connection has %d bytes", size)
	}
}

// CatchUp returns when every session was asked for its frames, and does not wait for a client that reads nothing.
func TestCatchUp(t *testing.T) {
	h := new(broadcaster)
	s, address := way{engine: EngineEpoll}.start(t, Options{Hub: attachFunc(h.attach)})
	for range 40 {
		dial(t, address)
	}
	waitPending(t, s)
	s.CatchUp() // none has anything to write

	frame, long := TextFrame([]byte("hello"), false), TextFrame([]byte(stars(16<<20)), false)
	for round := range 3 {
		h.taken.Add(len(h.all))
		for i, l := range h.all {
			l.mu.Lock()
			if l.frame = frame; i == 0 && round == 0 {
				l.frame = long
			}
			l.mu.Unlock()
			l.transport.Ready()
		}
		s.CatchUp()
		for i, l := range h.all {
			l.mu.Lock()
			if l.frame != nil && (i > 0 || round == 0) {
				t.Errorf("round %d: session %d was not asked for its frame", round, i)
			}
			l.mu.Unlock()
		}
	}
}
