package wsconn

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// polled is the link of EngineEpoll. It owns the socket's descriptor, and closes it when neither
// the shard's reader nor its writer works for the connection any more: reading is true as long as
// the one may use it, flushing as long as the other may.
type polled struct {
	conn
	shard  *shard
	secure *secured // nil: plaintext
	next   *polled  // in the list of the shard, which guards it
	rest   *part    // the writer's: of a write that the peer did not take at once
	over   bool     // the reader's: input has ended
	left   bool     // the reader's: the client sends nothing more than what is there

	// Under conn.mu.
	fd     int32 // -1 when it is closed
	parked bool  // the writer waits until the peer takes more
	room   bool  // the peer took more since the write began
	hungUp bool  // input ends now
}

// rebasable is a connection whose bytes can be moved from elsewhere: Rebase puts inner in the place
// of the network's own connection and returns the TLS that reads and writes it, nil when the
// connection is plaintext.
type rebasable interface {
	Rebase(inner net.Conn) *tls.Conn
}

// adopt takes the socket out of a connection. It returns nil when that cannot be done, and the
// connection is as it was.
func (e *poller) adopt(s *Server, nc net.Conn, from netip.AddrPort) *conn {
	// Only a plain TCP connection, or TLS over one, can be taken.
	tcp, ok := innermost(nc).(*net.TCPConn)
	if !ok {
		return nil
	}
	wrapped, _ := nc.(rebasable)
	if nc != net.Conn(tcp) && wrapped == nil {
		return nil
	}

	shard := e.shard()
	if shard == nil {
		return nil
	}
	fd, err := duplicate(tcp)
	if err != nil {
		return nil
	}

	// From here the socket belongs to the poller.
	p := &polled{conn: conn{srv: s, reading: true, from: from}, shard: shard, fd: fd}
	p.link = p
	if wrapped != nil {
		end := &secured{p: p}
		if end.tls = wrapped.Rebase(end); end.tls != nil {
			p.secure = end
		}
	}
	tcp.Close() // the copy lives on, and the runtime polls it no more
	return &p.conn
}

// duplicate makes a descriptor of our own; the socket does not block already.
func duplicate(tcp *net.TCPConn) (int32, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	var fd int
	if gone := raw.Control(func(theirs uintptr) {
		fd, err = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0)
	}); gone != nil {
		return 0, gone
	}
	return int32(fd), err
}

func (p *polled) start(early []byte) {
	goOn := p.received(early)
	if goOn && p.secure != nil {
		// TLS may hold what no event will announce any more.
		var buf [readBuffer]byte
		for more := true; more; {
			more = p.readable(buf[:], true)
		}
	} else if !goOn {
		p.end()
	}

	if p.over {
		return
	}
	if err := p.shard.watch(p, p.fd); err != nil {
		p.lost(err)
		p.end()
	}
}

// end is the end of the input.
func (p *polled) end() {
	p.over = true
	p.finish()
}

// readable reads what there is; ends means that the input may have ended. more reports that it
// stopped before there was nothing left.
func (p *polled) readable(buf []byte, ends bool) (more bool) {
	for range readsPerTurn {
		if p.over {
			return false
		}
		if p.isHungUp() {
			p.end()
			return false
		}
		if p.muted { // the end of the wait for the client is an event, as its leaving is
			if p.left {
				p.end()
			}
			return false
		}

		n, err := p.read(buf)
		switch {
		case n == 0 && err == errAgain:
			return false
		case n == 0:
			p.lost(err)
			p.end()
			return false
		case !p.received(buf[:n]):
			p.end()
			return false
		case n < len(buf) && p.secure == nil && !ends:
			return false // there was no more, and for what comes there will be an event
		}
	}
	return true
}

func (p *polled) isHungUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hungUp
}

// read's error is errAgain when there is nothing now.
func (p *polled) read(buf []byte) (n int, err error) {
	if p.secure != nil {
		n, err = p.secure.tls.Read(buf)
		p.secure.answered()
		return n, err
	}
	return readFD(p.fd, buf)
}

// syscall's calls, and not unix's, show the race detector what a peer in the same process knows.

func readFD(fd int32, buf []byte) (n int, err error) {
	for {
		n, err = syscall.Read(int(fd), buf)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0, errAgain
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// writeFD writes what the kernel takes; it reports when it takes more.
func writeFD(fd int32, out []byte) (n int, err error) {
	for {
		n, err = syscall.Write(int(fd), out)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, nil
		}
		return max(n, 0), err
	}
}

// writable is the reader's report that the kernel takes more.
func (p *polled) writable() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room = true
	p.unpark()
}

// unpark lets the writer go on. The caller holds mu.
func (p *polled) unpark() {
	if p.parked {
		p.parked = false
		p.shard.enqueue(p)
	}
}

func (p *polled) schedule() { p.shard.enqueue(p) }

func (p *polled) write() {
	b := batches.Get().(*batch)
	p.writeTurn(b)
	b.release()
}

// writeTurn is the writer's turn for this connection. It returns how many writes there were.
func (p *polled) writeTurn(b *batch) (writes int) {
	for range batchesPerTurn {
		if p.secure != nil && p.rest == nil && p.secure.waiting() {
			p.rest = new(part) // of nothing but records
		}
		if p.rest != nil && !p.resume() {
			return writes
		}
		if !p.flush(b) {
			return writes
		}
		writes++
	}
	p.shard.enqueue(p)
	return writes
}

// resume goes on with what was left of a write. It reports whether that is done.
func (p *polled) resume() bool {
	if p.arm() {
		pending, err := p.push(p.rest)
		if pending {
			return false
		}
		p.srv.wheel.bound(&p.conn, 0)
		p.sent(p.rest, err)
	}
	p.rest = nil
	return true
}

func (p *polled) send(b *batch) (pending bool, err error) {
	if pending, err = p.push(&b.part); pending {
		rest := b.part
		p.rest = &rest
		if len(rest.out) > 0 && len(b.joined) > 0 {
			b.joined = nil // it is the rest's now
		}
	}
	return pending, err
}

// push writes what the kernel takes of a part. pending reports that it did not take all: then the
// writer is parked.
func (p *polled) push(w *part) (pending bool, err error) {
	for {
		done, err := p.try(w)
		if done || err != nil {
			return false, err
		}
		if pending, err = p.park(w); pending || err != nil {
			return pending, err
		}
	}
}

func (p *polled) try(w *part) (done bool, err error) {
	if p.secure != nil {
		return p.secure.write(w)
	}
	n, err := writeFD(p.fd, w.out)
	w.out = w.out[n:]
	return len(w.out) == 0, err
}

// park stops the writer until the kernel takes more; not when it did meanwhile. Each batchBytes of a long
// line have the time of a write.
func (p *polled) park(w *part) (parked bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.phase == closed:
		return false, net.ErrClosed
	case p.room:
		p.room = false
		return false, nil
	}
	p.parked = true
	if left := len(w.out); p.rest == nil || p.phase == open && w.bounded-left >= batchBytes {
		w.bounded = left
		p.srv.wheel.bound(&p.conn, p.writeLimit())
	}
	return true, nil
}

func (p *polled) begin(time.Duration) { p.room = false }

func (p *polled) hurry(limit time.Duration) {
	switch {
	case !p.parked:
	case limit == 0:
		p.unpark()
	default:
		p.srv.wheel.bound(&p.conn, limit)
	}
}

func (p *polled) hangUp(limit time.Duration) {
	if limit > 0 {
		p.srv.wheel.bound(&p.conn, limit)
		return
	}
	p.hungUp = true
	if p.fd >= 0 {
		_ = unix.Shutdown(int(p.fd), unix.SHUT_RD) // an event for the reader
	}
}

func (p *polled) overdue() bool { return p.parked || p.phase == closed }

func (p *polled) halfClose() {
	if p.secure != nil {
		p.secure.goodbye()
		return
	}
	_ = unix.Shutdown(int(p.fd), unix.SHUT_WR)
}

func (p *polled) close(hard bool) {
	if p.secure != nil && !hard {
		p.secure.goodbye()
	}
	p.mu.Lock()
	fd := p.fd
	p.fd = -1
	p.mu.Unlock()
	if hard {
		_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	p.shard.forget(fd)
	_ = unix.Close(int(fd))
}
