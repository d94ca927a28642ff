package wsconn

import (
	"io"
	"net"
	"net/netip"
	"time"
)

// readBuffer takes the largest control frame in one read. Clients send hardly anything else.
const readBuffer = 256

// blocking is the link of EngineGoroutine: a goroutine reads, another one writes while there is
// something to write. Deadlines of the connection end their waits.
type blocking struct {
	conn
	nc  net.Conn
	buf [readBuffer]byte // the reader's
}

func newBlocking(s *Server, nc net.Conn, from netip.AddrPort) *conn {
	l := &blocking{conn: conn{srv: s, reading: true, from: from}, nc: nc}
	l.link = l
	return &l.conn
}

// past as a deadline makes reads and writes return now.
var past = time.Unix(1, 0)

func (l *blocking) start(early []byte) { go l.read(early) }

func (l *blocking) read(early []byte) {
	defer l.finish()
	for goOn := l.received(early); goOn; {
		if l.muted { // until the close frame has had its time
			<-time.After(l.srv.opts.CloseTimeout)
			l.lost(io.EOF)
			return
		}
		n, err := l.nc.Read(l.buf[:])
		goOn = l.received(l.buf[:n])
		if err != nil {
			l.lost(err)
			return
		}
	}
}

func (l *blocking) schedule() { go l.flushAll() }
func (l *blocking) write()    { go l.flushAll() }

func (l *blocking) flushAll() {
	b := batches.Get().(*batch)
	for l.flush(b) {
	}
	b.release()
}

// send writes a long line in parts, each of which has the time of a write.
func (l *blocking) send(b *batch) (pending bool, err error) {
	for rest := b.out; len(rest) > 0 && err == nil; {
		part := rest[:min(len(rest), batchBytes)]
		if rest = rest[len(part):]; !l.arm() {
			return false, net.ErrClosed
		}
		_, err = l.nc.Write(part)
	}
	return false, err
}

func (l *blocking) halfClose() {
	if half, ok := l.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // a deadline ends the connection otherwise
	}
}

func (l *blocking) close(hard bool) {
	if !hard {
		l.nc.Close()
		return
	}
	// What is not sent yet is thrown away, and TLS does not wait to say goodbye.
	inner := innermost(l.nc)
	if tcp, ok := inner.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	inner.Close()
	l.nc.Close()
}

func (l *blocking) begin(limit time.Duration)  { _ = l.nc.SetWriteDeadline(deadline(limit)) }
func (l *blocking) hurry(limit time.Duration)  { _ = l.nc.SetWriteDeadline(deadline(limit)) }
func (l *blocking) hangUp(limit time.Duration) { _ = l.nc.SetReadDeadline(deadline(limit)) }

func (l *blocking) overdue() bool { return false } // the deadlines do it

func deadline(after time.Duration) time.Time {
	if after == 0 {
		return past
	}
	return time.Now().Add(after)
}
