//go:build linux

package rig

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"syscall"
)

// Crowd are plaintext sockets that one thread reads with epoll, so that receiving costs little
// more than the system calls that it needs: one wait for all that are ready and one read of each.
// It answers pings.
type Crowd struct {
	frame func(id int, op byte, payload []byte) // called under mu, as ended and batch are
	ended func(id int, why error)               // the peer or the network ended a socket
	batch func()                                // the frames that were there have been handed on

	epoll, bell int // bell is an eventfd that ends the thread
	done        chan struct{}

	mu     sync.Mutex
	closed bool
	seats  []*seat // by id
	rounds int32
}

// seat is one socket of a crowd.
type seat struct {
	fd      int
	id      int
	round   int32 // distinguishes events of this socket from those of the one before it
	deaf    bool  // never read
	waiting []byte
}

const (
	crowdBuffer = 256 << 10 // longer than any frame
	bellID      = -1
)

// NewCrowd starts the thread. frame may be nil, as ended and batch.
func NewCrowd(frame func(int, byte, []byte), ended func(int, error), batch func()) (*Crowd, error) {
	c := &Crowd{frame: frame, ended: ended, batch: batch, done: make(chan struct{})}
	var err error
	if c.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	bell, _, failed := syscall.Syscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC, 0)
	if failed != 0 {
		syscall.Close(c.epoll)
		return nil, fmt.Errorf("eventfd: %w", failed)
	}
	c.bell = int(bell)
	if err := c.watch(c.bell, syscall.EPOLLIN, bellID, 0); err != nil {
		return nil, err
	}
	go c.read()
	return c, nil
}

func (c *Crowd) watch(fd int, events uint32, id, round int32) error {
	e := syscall.EpollEvent{Events: events, Fd: id, Pad: round}
	if err := syscall.EpollCtl(c.epoll, syscall.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// Admit takes over a socket, with what was read of it already, in place of an earlier one of the
// same id. One that is deaf is never read.
func (c *Crowd) Admit(id int, s *Socket, deaf bool) error {
	fd, err := detach(s.Conn)
	if err != nil {
		return err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		syscall.Close(fd)
		return net.ErrClosed
	}
	if more := id + 1 - len(c.seats); more > 0 {
		c.seats = append(c.seats, make([]*seat, more)...)
	}

	// A later round of the same id ignores the events that epoll still has of the earlier socket.
	c.vacate(id)
	c.rounds++
	seat := &seat{fd: fd, id: id, round: c.rounds, deaf: deaf}
	c.seats[id] = seat
	if deaf {
		return c.watch(fd, syscall.EPOLLRDHUP, int32(id), seat.round)
	}

	// What came with the handshake is handed on now: epoll would not report it.
	used := ReadFrames(s.buf[:s.fill], func(op byte, payload []byte) { c.take(seat, op, payload) })
	seat.waiting = slices.Clone(s.buf[used:s.fill])
	if c.batch != nil {
		c.batch()
	}
	return c.watch(fd, syscall.EPOLLIN, int32(id), seat.round)
}

// Expel ends a socket, without a call of ended.
func (c *Crowd) Expel(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vacate(id)
}

func (c *Crowd) vacate(id int) {
	if s := c.seats[id]; s != nil {
		syscall.Close(s.fd)
		c.seats[id] = nil
	}
}

// Reply writes a frame to a socket, in a call of frame for it. One that does not fit is missed, as on
// any bad line.
func (c *Crowd) Reply(id int, frame []byte) {
	if s := c.seats[id]; s != nil {
		_, _ = syscall.Write(s.fd, frame)
	}
}

// Close ends the thread and all sockets.
func (c *Crowd) Close() {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if !first {
		return
	}
	_, _ = syscall.Write(c.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-c.done
	for id := range c.seats {
		c.vacate(id)
	}
	syscall.Close(c.bell)
	syscall.Close(c.epoll)
}

// read is the thread.
func (c *Crowd) read() {
	defer close(c.done)
	runtime.LockOSThread()
	events := make([]syscall.EpollEvent, 1024)
	buf := make([]byte, crowdBuffer)
	for {
		n, err := syscall.EpollWait(c.epoll, events, -1)
		if err != nil && err != syscall.EINTR {
			return // no more frames, which a caller of await notices
		}
		if !c.dispatch(events[:max(0, n)], buf) {
			return
		}
	}
}

// dispatch handles the events that epoll reports, and returns false when the thread has to end.
func (c *Crowd) dispatch(events []syscall.EpollEvent, buf []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range events {
		if e.Fd == bellID {
			return false
		}
		s := c.seats[e.Fd]
		if s == nil || s.round != e.Pad {
			continue
		}
		if err := c.receive(s, buf); err != nil {
			c.vacate(s.id)
			if c.ended != nil {
				c.ended(s.id, err)
			}
		}
	}
	if c.batch != nil {
		c.batch()
	}
	return true
}

// receive reads a socket once.
func (c *Crowd) receive(s *seat, buf []byte) error {
	if s.deaf {
		return io.EOF // only its end wakes the thread
	}
	fill := copy(buf, s.waiting)
	n, err := syscall.Read(s.fd, buf[fill:])
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return nil
	case err != nil:
		return err
	case n == 0:
		return io.EOF
	}
	fill += n
	used := ReadFrames(buf[:fill], func(op byte, payload []byte) { c.take(s, op, payload) })
	if used == 0 && fill == len(buf) {
		return errors.New("a frame is too long")
	}
	s.waiting = append(s.waiting[:0], buf[used:fill]...)
	return nil
}

func (c *Crowd) take(s *seat, op byte, payload []byte) {
	if op == OpPing {
		c.Reply(s.id, Pong(payload))
	}
	if c.frame != nil {
		c.frame(s.id, op, payload)
	}
}

// detach takes the descriptor of a connection away from the runtime's own poller, which would be
// woken with each frame too.
func detach(conn net.Conn) (fd int, err error) {
	defer conn.Close()
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0, errors.New("only plaintext sockets can be in a crowd")
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Control(func(old uintptr) {
		if fd, failed = syscall.Dup(int(old)); failed == nil {
			syscall.CloseOnExec(fd)
		}
	})
	return fd, errors.Join(err, failed)
}
