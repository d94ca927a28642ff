package wsconn

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/carillon-chat/carillon/internal/realtime"
)

// Why connections end: the values of Ended.Cause.
const (
	causeClient       = "client"        // the client sent a close frame
	causeLost         = "lost"          // the network broke, or the client left without a word
	causeRefused      = "refused"       // authentication or the hub said no
	causeHub          = "hub"           // the hub ended the session
	causeExpired      = "expired"       // the credentials ended
	causeShutdown     = "shutdown"      // Shutdown
	causeProtocol     = "protocol"      // the client broke RFC 6455 or sent too much
	causePingTimeout  = "ping_timeout"  // pings stayed without an answer
	causeWriteTimeout = "write_timeout" // the client does not read
)

// ending is why and how a connection ends.
type ending struct {
	cause  string
	code   int // sent, or codeAbnormal when no close frame was
	reason string
}

// phase only grows.
type phase uint8

const (
	open    phase = iota
	closing       // a close frame waits to be written
	closed        // nothing is written any more; the reader may wait for the peer's close
)

const (
	// readBuffer takes the largest control frame in one read. Clients send hardly anything else.
	readBuffer = 256
	// pongBudget is how many pings are answered at once between two visits of the sweeper. Past
	// it only the newest is answered, at the next visit (RFC 6455 section 5.5.3 allows that).
	pongBudget = 64
)

// conn is one socket. It is the realtime.Transport of its session.
type conn struct {
	srv     *Server
	nc      net.Conn
	decoder decoder     // the reader's
	deaf    bool        // the reader's: input is not looked at any more
	heard   atomic.Bool // the peer sent something since the last ping

	mu         sync.Mutex
	session    Session // nil until the hub accepted it
	user       string  // ARN, for logs
	expires    time.Time
	phase      phase
	end        ending
	ready      bool   // the session has frames
	reading    bool   // the reader has not ended
	flushing   bool   // a goroutine writes
	peerClosed bool   // the peer's close frame came
	drain      bool   // what the session holds goes out before the close frame
	hard       bool   // the peer is given up
	admitted   bool   // no longer counted as pending
	control    []byte // whole pings and pongs to be written
	latePong   []byte
	pongs      uint8 // answered since the sweeper's last visit
	missed     uint8 // pings without a sign of life

	place place // in the wheel, which guards it

	buf [readBuffer]byte // the reader's
}

var _ realtime.Transport = (*conn)(nil)

// Ready implements realtime.Transport.
func (c *conn) Ready() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = true
	if c.session != nil { // else attach sees to it
		c.wake()
	}
}

// Close implements realtime.Transport.
func (c *conn) Close(code int, reason string) {
	c.shut(ending{causeHub, code, reason})
}

// attach gives the connection its session.
func (c *conn) attach(s Session, user string, expires time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.user, c.expires, c.admitted = s, user, expires, true
	if c.ready {
		c.wake()
	}
}

// shut begins to close; later calls change nothing. The close frame follows the frames that
// the session still holds, up to a bound, unless the peer is not worth them.
func (c *conn) shut(e ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != open {
		return
	}
	c.phase, c.end = closing, e
	c.drain = e.cause != causeClient && e.cause != causeProtocol
	// A write that is stuck must not outlast the time for closing.
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.srv.opts.CloseTimeout))
	c.wake()
}

// giveUp ends the connection without a close frame. It does not block: it wakes the goroutines
// of the connection, which do the rest.
func (c *conn) giveUp(cause string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == open {
		c.end = ending{cause: cause, code: codeAbnormal}
	}
	c.phase, c.hard = closed, true
	_ = c.nc.SetDeadline(past)
}

// past as a deadline makes reads and writes return now.
var past = time.Unix(1, 0)

// read is the goroutine of the connection. early are bytes that were read before it.
func (c *conn) read(early []byte) {
	defer c.finish()
	for goOn := c.received(early); goOn; {
		n, err := c.nc.Read(c.buf[:])
		if n > 0 {
			c.heard.Store(true)
		}
		goOn = c.received(c.buf[:n])
		if err != nil {
			c.lost(err)
			return
		}
	}
}

// lost notes the end of the input. It is news only when no end was decided before; a close
// frame that waits to be written still goes out.
func (c *conn) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != open {
		return
	}
	c.phase, c.end = closed, ending{cause: causeLost, code: codeAbnormal}
	if !errors.Is(err, io.EOF) {
		c.end.reason = "read failed"
	}
	_ = c.nc.SetWriteDeadline(past)
}

// received handles input. It reports false when the connection is over.
func (c *conn) received(p []byte) bool {
	for len(p) > 0 {
		if c.deaf {
			return true
		}
		n, op, payload, err := c.decoder.next(p)
		p = p[n:]
		if err != nil {
			c.deaf = true
			c.shut(ending{causeProtocol, err.Code, err.Reason})
			return true
		}
		switch op {
		case ws.OpPing:
			c.pinged(payload)
		case ws.OpClose:
			c.deaf = true
			return c.closedByPeer(payload)
		}
	}
	return true
}

// pinged answers a ping.
func (c *conn) pinged(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != open {
		return
	}
	if c.pongs >= pongBudget {
		c.latePong = appendFrame(c.latePong[:0], ws.OpPong, payload)
		return
	}
	c.pongs++
	c.control = appendFrame(c.control, ws.OpPong, payload)
	c.wake()
}

// closedByPeer echoes a close frame, or takes it as the echo of ours.
func (c *conn) closedByPeer(body []byte) (goOn bool) {
	code, err := closeCode(body)
	if err != nil {
		c.shut(ending{causeProtocol, err.Code, err.Reason})
		return true
	}
	c.mu.Lock()
	c.peerClosed = true
	over := c.phase == closed
	c.mu.Unlock()
	c.shut(ending{cause: causeClient, code: code})
	return !over
}

// visit is the sweeper's: it ends what has expired and, when due, pings a session. It returns
// when the credentials expire.
func (c *conn) visit(now time.Time, due bool) (expires time.Time) {
	c.mu.Lock()
	expires = c.expires
	dead := false
	var beats Session
	if due && c.phase == open && c.session != nil {
		dead, beats = !c.ping(), c.session
	}
	c.mu.Unlock()
	if beats != nil && !dead {
		beats.Beat() // not under mu: it may call Ready
	}
	switch {
	case dead:
		c.giveUp(causePingTimeout)
	case !expires.IsZero() && !now.Before(expires):
		c.shut(ending{causeExpired, codeGoingAway, "credentials expired"})
	}
	return expires
}

// ping sends a ping and an overdue pong. It reports false when too many pings stayed without
// any sign of life. Anything that the peer sends is one, not only a pong.
func (c *conn) ping() bool {
	if c.heard.Swap(false) {
		c.missed = 0
	}
	if int(c.missed) >= c.srv.opts.MissedPings {
		return false
	}
	c.missed++
	c.pongs = 0
	c.control = append(appendFrame(c.control, ws.OpPing, nil), c.latePong...)
	c.latePong = nil
	c.wake()
	return true
}

// finish is the end of the reader.
func (c *conn) finish() {
	c.mu.Lock()
	c.reading = false
	last := !c.flushing
	c.mu.Unlock()
	if last {
		c.release()
	}
}

// release is done by the goroutine of the connection that ends last.
func (c *conn) release() {
	c.mu.Lock()
	hard := c.hard
	c.mu.Unlock()
	if hard {
		cut(c.nc)
	} else {
		c.nc.Close()
	}
	if c.session != nil {
		c.session.Detach()
	}
	c.srv.wheel.remove(c)
	c.srv.gone(c)
}

func (c *conn) logEnd(log *slog.Logger) {
	level := slog.LevelDebug
	if c.end.cause == causeRefused {
		level = slog.LevelInfo
	}
	log.Log(context.Background(), level, "websocket closed", "cause", c.end.cause, "code", c.end.code,
		"reason", c.end.reason, "user", c.user, "remote", c.nc.RemoteAddr().String())
}

// writeCause tells what the failure of a write means.
func writeCause(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return causeWriteTimeout
	}
	return causeLost
}
