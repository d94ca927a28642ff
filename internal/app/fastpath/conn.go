package fastpath

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// bufferSize bounds the head of a plain request, in bytes. It is what net/http reads at once, so
// that of a connection that is handed over all bytes are in net/http's buffer when its handler
// hijacks it.
const bufferSize = 4 << 10

// enough bytes of a second request must have come before net/http takes it for one.
const enough = 4

// lingering is how long a client has to read an answer that it was sent while it still sends.
const lingering = 500 * time.Millisecond

// scratch is what a connection needs to read requests. Another one has it after it.
type scratch struct {
	head head
	buf  [bufferSize]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// conn is a connection that is served here. Its fields belong to the goroutine of serve.
type conn struct {
	listener *Listener
	nc       Conn
	busy     atomic.Bool // a request is under way

	base   *http.Request // what the requests of the connection have in common
	cancel context.CancelFunc
	*scratch
	r, w int // buf[r:w] has been read and not used

	began           time.Time // when the request's first bytes came, if its head did not come whole
	readBy, writeBy time.Time // the deadlines of nc; zero is none
	watch           watch
	current         *exchange // while the handler runs, or after its panic
	handed          bool      // the connection is the server's, or a handler's that has hijacked it
}

func newConn(l *Listener, nc Conn) *conn {
	c := &conn{listener: l, nc: nc}
	l.add(c)
	return c
}

// serve answers plain requests until the connection ends or has to be handed over.
func (c *conn) serve(ctx context.Context) {
	defer c.end()
	c.scratch = scratches.Get().(*scratch)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, c.nc.LocalAddr())
	ctx, c.cancel = context.WithCancel(ctx)

	// The address may have to be waited for, under a deadline of its own, when a proxy announces it.
	remote := c.nc.RemoteAddr().String()
	c.began = time.Now()
	c.readWithin(c.began, c.headerTimeout(), 0)

	for first := true; first || c.await(); first = false {
		plain, err := c.readHead()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), err == io.EOF && c.r == c.w:
			return
		case err != nil || !plain:
			c.handOver()
			return
		}

		if c.base == nil {
			c.base = (&http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: remote}).WithContext(ctx)
		}
		if !c.answer() {
			return
		}
	}
}

// end gives back what the connection has, whether it was served to its end, handed over, or the
// handler panicked.
func (c *conn) end() {
	if v := recover(); v != nil && v != http.ErrAbortHandler {
		c.listener.logf("http: panic serving %v: %v\n%s", c.nc.RemoteAddr(), v, debug.Stack())
	}

	// The client of a panicking handler gets what was on its way to it.
	if x := c.current; x != nil && !c.handed {
		c.cancel()
		_ = x.body.Close()
		c.stopWatch()
		x.response.send()
	}

	c.head.forget()
	scratches.Put(c.scratch)
	c.cancel()
	if !c.handed {
		_ = c.nc.Close()
		c.listener.state(c.nc, http.StateClosed)
	}
	c.listener.remove(c)
}

// handOver gives the connection to the server, as if nothing had been read of it.
func (c *conn) handOver() {
	c.readWithin(c.began, 0, 0)
	extend(&c.writeBy, c.began, 0, 0, c.nc.SetWriteDeadline)
	c.busy.Store(true) // a listener that closes leaves it to the server
	c.nc.Unread(c.buf[c.r:c.w])
	c.handed = c.listener.hand(c.nc, nil)
}

// await waits for the next request.
func (c *conn) await() bool {
	timeout := c.listener.server.IdleTimeout
	if timeout == 0 {
		timeout = c.listener.server.ReadTimeout
	}
	c.readWithin(time.Now(), timeout, timeout/coarse)
	c.began = time.Time{}

	for c.w-c.r < enough {
		c.compact()
		if c.fill() != nil {
			return false
		}
	}
	return true
}

// readHead reads the head of a request. It reports whether the request is plain, and stops at the
// first line that is not.
func (c *conn) readHead() (plain bool, err error) {
	if c.head.method == http.MethodPost {
		c.skipBreaks()
	}
	c.compact()
	c.head.begin()

	for at := c.r; ; {
		line, size, whole := cutLine(c.buf[at:c.w])
		if whole {
			if line == nil || !c.head.take(line) {
				return false, nil
			}
			at += size
			if len(line) > 0 {
				continue
			}
			if !c.head.finish() {
				return false, nil
			}
			c.r = at
			return true, nil
		}

		if c.w == len(c.buf) {
			return false, nil
		}
		if c.began.IsZero() {
			c.began = time.Now()
			c.readWithin(c.began, c.headerTimeout(), 0)
		}
		if err := c.fill(); err != nil {
			return false, err
		}
	}
}

// skipBreaks drops the line breaks that old clients send behind the body of a POST, as net/http
// does.
func (c *conn) skipBreaks() {
	for range enough {
		if c.r == c.w || c.buf[c.r] != '\r' && c.buf[c.r] != '\n' {
			return
		}
		c.r++
	}
}

// answer calls the handler. It reports whether the connection can be used for another request.
func (c *conn) answer() bool {
	l, now := c.listener, time.Now()
	if c.began.IsZero() {
		c.began = now
	}
	c.busy.Store(true)
	l.state(c.nc, http.StateActive)
	if l.stopping.Load() {
		return false
	}

	// A body that is here already needs no deadline.
	if c.head.length > int64(c.w-c.r) {
		c.readWithin(c.began, l.server.ReadTimeout, 0)
	}
	x := exchanges.Get().(*exchange)
	c.current = x
	x.begin(c, now)

	l.server.Handler.ServeHTTP(&x.response, &x.request)

	if c.handed {
		c.current = nil
		x.release()
		return false
	}
	again := x.finish()
	c.current = nil
	x.release()
	if !again {
		return false
	}
	c.busy.Store(false)
	l.state(c.nc, http.StateIdle)
	return !l.stopping.Load()
}

// linger lets a client that still sends read the answer before it is cut off.
func (c *conn) linger() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	c.readWithin(time.Now(), lingering, 0)
	for {
		c.r, c.w = 0, 0
		if c.fill() != nil {
			return
		}
	}
}

// compact moves what has not been used to the front of the buffer.
func (c *conn) compact() {
	if c.r > 0 {
		c.w = copy(c.buf[:], c.buf[c.r:c.w])
		c.r = 0
	}
}

// fill reads into the buffer, which must have room.
func (c *conn) fill() error {
	n, err := c.nc.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// coarse is the part of a timeout, one in so many, by which it may last longer. Deadlines that are
// near enough are left alone: setting one costs as much as parsing a head.
const coarse = 16

func (c *conn) headerTimeout() time.Duration {
	if timeout := c.listener.server.ReadHeaderTimeout; timeout != 0 {
		return timeout
	}
	return c.listener.server.ReadTimeout
}

// readWithin bounds reads to a time after from, and at most slack more. A timeout of zero is none.
func (c *conn) readWithin(from time.Time, timeout, slack time.Duration) {
	extend(&c.readBy, from, timeout, slack, c.nc.SetReadDeadline)
}

// extend moves a deadline to a time after from, if it is not there already. A timeout of zero or less
// is none.
func extend(deadline *time.Time, from time.Time, timeout, slack time.Duration, set func(time.Time) error) {
	var by time.Time
	if timeout > 0 {
		by = from.Add(timeout)
		if !deadline.Before(by) && !deadline.After(by.Add(slack)) {
			return
		}
		by = by.Add(slack)
	} else if deadline.IsZero() {
		return
	}
	if *deadline = by; set(by) != nil {
		*deadline = time.Time{} // the connection is closed, and the next read or write fails
	}
}
