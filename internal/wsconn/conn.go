package wsconn

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/realtime"
)

// Why connections end: the values of Ended.Cause.
const (
	causeClient       = "client"        // the client sent a close frame
	causeLost         = "lost"          // the network broke, or the client left without a word
	causeRefused      = "refused"       // authentication or the hub refused it
	causeHub          = "hub"           // the hub ended the session
	causeExpired      = "expired"       // the credentials ended
	causeShutdown     = "shutdown"      // Shutdown
	causeProtocol     = "protocol"      // the client broke RFC 6455 or sent a message that is too long
	causeFlood        = "flood"         // the client sends too fast
	causePingTimeout  = "ping_timeout"  // pings stayed without an answer
	causeWriteTimeout = "write_timeout" // the client does not read
)

// ending is why and how a connection ends.
type ending struct {
	cause  string
	code   int // sent, or codeAbnormal when no close frame was
	reason string
}

// isBreach reports whether the client broke a rule of what it may send, so that what it sends from
// then on is not looked at.
func (e *ending) isBreach() bool { return e.cause == causeProtocol || e.cause == causeFlood }

// phase only grows.
type phase uint8

const (
	open    phase = iota
	closing       // a close frame waits to be written
	closed        // nothing is written any more; the reader may wait for the peer's close
)

// conn is one socket as the protocol sees it: the realtime.Transport of its session. Its link
// moves the bytes.
type conn struct {
	srv        *Server
	link       link
	decoder    *decoder      // the reader's; nil between frames
	deaf       bool          // the reader's: input is discarded
	muted      bool          // the reader's: input is not even read and stays with the client
	texts      bool          // the session wants the client's texts
	deflated   bool          // messages may be compressed
	notPending bool          // it does not count as pending; Server.mu guards it
	heard      atomic.Uint32 // for what the peer sent something in time: signs of life
	spent      time.Duration // the reader's: the end of what the client used up of its pace

	mu         lockorder.Mutex[lockorder.Conn]
	phase      phase
	ready      bool    // the session has frames
	reading    bool    // the reader has not ended
	flushing   bool    // a writer is at work, or about to be
	peerClosed bool    // the peer's close frame came
	drain      bool    // what the session holds goes out before the close frame
	hard       bool    // the peer is given up
	pongs      uint8   // answered since the sweeper's last visit
	missed     uint8   // pings without a sign of life
	drained    int32   // bytes of the session since closing began
	session    Session // nil until the hub accepted it
	user       string  // ARN, for logs
	expires    int64   // microseconds after the server was made; 0: never
	end        *ending // nil until the connection ends
	control    *[]byte // the answer to the upgrade, whole pings and pongs to be written; nil when there are none
	latePong   *[]byte // nil when there is none

	from netip.AddrPort // the client's address

	entry wheelEntry // in the wheel, which guards it
}

// link moves the bytes of one connection. It calls conn.flush when there is something to write,
// conn.received, conn.lost and at last conn.finish for what comes in.
type link interface {
	// start lets input come, early first. It is called once.
	start(early []byte)
	// send writes out, which ends with the close frame if the batch says so. pending reports that
	// the peer does not take all of it now: the link keeps the rest and goes on later. flush alone
	// calls it.
	send(b *batch) (pending bool, err error)
	// write has flush called now, by this goroutine if that does not block it.
	write()
	// halfClose ends our direction, so that the peer knows that nothing more comes.
	halfClose()
	// close gives the socket back. hard throws away what was not sent. Nothing else is called
	// after it, except those that follow.
	close(hard bool)

	// The others are called under conn.mu.

	// schedule has flush called soon, by another goroutine.
	schedule()
	// begin announces a send, which may take so long.
	begin(limit time.Duration)
	// hurry bounds a write that is under way; 0 ends it.
	hurry(limit time.Duration)
	// hangUp bounds the time that input still comes; 0 ends it.
	hangUp(limit time.Duration)
	// overdue reports whether a bound that the wheel keeps for the link still holds.
	overdue() bool
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

// Write implements realtime.Transport.
func (c *conn) Write() {
	c.mu.Lock()
	c.ready = true
	writes := c.session != nil && c.begins() // else attach sees to it
	c.mu.Unlock()
	if writes {
		c.link.write()
	}
}

// Close implements realtime.Transport.
func (c *conn) Close(code int, reason string) {
	c.shut(ending{causeHub, code, reason})
}

// answers puts the answer to the upgrade before everything else that is written. It goes out with the
// first frame, so that a client that is let in at once costs one write and no more. greet sends it before
// the connection has to wait.
func (c *conn) answers(upgrade []byte) { c.control = &upgrade }

func (c *conn) greet() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.control != nil {
		c.wake()
	}
}

// attach gives the connection its session, and sends what that has.
func (c *conn) attach(s Session, g *realtime.Grant) {
	c.mu.Lock()
	c.session, c.user = s, g.UserARN
	if !g.Expires.IsZero() {
		c.expires = c.srv.wheel.untilEnd(g.Expires).Microseconds()
	}
	c.texts = g.Extras != 0
	writes := (c.ready || c.control != nil) && c.begins()
	c.mu.Unlock()

	if writes {
		c.link.write()
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
	c.phase, c.end = closing, &e
	c.drain = e.cause != causeClient && !e.isBreach()
	c.link.hurry(c.srv.opts.CloseTimeout) // a write that is stuck must not outlast it
	c.wake()
}

// giveUp ends the connection without a close frame. It does not block: its reader and writer
// find out and do the rest.
func (c *conn) giveUp(cause string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == open {
		c.end = &ending{cause: cause, code: codeAbnormal}
	}
	c.phase, c.hard = closed, true
	c.link.hurry(0)
	c.link.hangUp(0)
}

// late is what follows a bound of the link that has passed: of a write, or of the wait for the
// peer's end.
func (c *conn) late() {
	c.mu.Lock()
	overdue, writing := c.link.overdue(), c.phase != closed
	if overdue && !writing {
		c.link.hangUp(0)
	}
	c.mu.Unlock()
	if overdue && writing {
		c.giveUp(causeWriteTimeout)
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
	c.phase, c.end = closed, &ending{cause: causeLost, code: codeAbnormal}
	if !errors.Is(err, io.EOF) {
		c.end.reason = "read failed"
	}
	c.link.hurry(0)
}

// received handles input. It reports false when the connection is over.
func (c *conn) received(p []byte) (goOn bool) {
	if len(p) == 0 {
		return true
	}

	if c.deaf {
		c.muted = c.srv.pace.spend(&c.spent, 0, len(p)) > paceBurst
		return true
	}

	c.heard.Store(sinceBoth)
	d := c.decoder
	if d == nil {
		d = newDecoder(c)
	}
	goOn = c.decode(d, p)
	if c.srv.pace.spend(&c.spent, d.countFrames(), len(p)) > paceBurst {
		c.deaf, c.muted = true, true
		c.shut(ending{causeFlood, codePolicy, "the client sends too fast"}) // unless it closes already
	}

	// Decoders are lent: an idle connection holds none.
	if c.decoder = d; c.deaf || d.idle() {
		c.decoder = nil
		d.release()
	}
	return goOn
}

func (c *conn) decode(d *decoder, p []byte) (goOn bool) {
	for len(p) > 0 && !c.deaf {
		n, op, payload, err := d.next(p)
		p = p[n:]
		if err != nil {
			c.deaf = true
			c.shut(ending{causeProtocol, err.Code, err.Reason})
			return true
		}
		switch op {
		case ws.OpPing:
			c.pinged(payload)
		case ws.OpText:
			c.session.Received(payload)
		case ws.OpClose:
			c.deaf = true
			return c.closedByPeer(payload)
		}
	}
	return true
}

// say queues a control frame. The caller holds mu.
func (c *conn) say(op ws.OpCode, payload []byte) {
	if c.control == nil {
		c.control = new([]byte)
	}
	*c.control = appendFrame(*c.control, op, payload)
	c.wake()
}

// closedByPeer echoes a close frame, or takes it as the echo of ours.
func (c *conn) closedByPeer(body []byte) (goOn bool) {
	code, err := closeCode(body)
	c.mu.Lock()
	c.peerClosed = err == nil || c.phase != open // a wrong echo is one too
	over := c.phase == closed
	c.mu.Unlock()
	if err != nil {
		c.shut(ending{causeProtocol, err.Code, err.Reason})
	} else {
		c.shut(ending{cause: causeClient, code: code})
	}
	return !over
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

// release is done by the reader or the writer of the connection, whichever ends last.
func (c *conn) release() {
	c.mu.Lock()
	hard := c.hard
	c.mu.Unlock()
	c.link.close(hard)
	if c.session != nil {
		c.session.Detach()
	}
	c.srv.wheel.remove(c)
	c.srv.gone(c)
}

func (c *conn) logEnd(log *slog.Logger) {
	log.Debug("websocket closed", "cause", c.end.cause, "code", c.end.code, "reason", c.end.reason,
		"user", c.user, "remote", c.from.String())
}

// writeCause returns the cause that the failure of a write stands for.
func writeCause(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return causeWriteTimeout
	}
	return causeLost
}
