// Package bothtls serves TLS and plaintext on one port. It promises:
//
//   - The first byte of a connection decides: 0x16 begins a TLS handshake, and no HTTP request
//     begins with it.
//   - The decision is made at the connection's first Read or Write, in the goroutine of its
//     caller. Accept never waits for a client, so a silent one delays no other.
//   - Deadlines set before the decision bound it and the handshake: http.Server's
//     ReadHeaderTimeout does. A client that does not read its half of the handshake is cut off
//     after HandshakeTimeout.
//   - What was read can be read again (Unread), so that another reader may start over.
//   - The network's own connection stays within reach, and an engine that polls sockets itself can
//     put its own in its place.
package bothtls

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// HandshakeTimeout bounds the writes of a handshake.
const HandshakeTimeout = 10 * time.Second

// tlsRecord is the first byte of a TLS handshake record (RFC 8446, 5.1).
const tlsRecord = 0x16

// Listener accepts connections of both kinds.
type Listener struct {
	net.Listener
	config *tls.Config
}

// NewListener wraps a listener. The configuration serves the connections that begin with a
// handshake.
func NewListener(inner net.Listener, config *tls.Config) *Listener {
	return &Listener{inner, config}
}

// Accept waits for the next connection and returns a *Conn.
func (l *Listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: raw, config: l.config}, nil
}

// Conn is a connection whose kind is decided at its first use. Addresses and deadlines are those
// of the network's connection.
type Conn struct {
	net.Conn // the network's own
	config   *tls.Config

	decide sync.Once
	err    error                    // why the decision failed
	secure atomic.Pointer[tls.Conn] // set when the connection is TLS
	inner  *replayed                // what TLS reads and writes
	first  [1]byte                  // of the connection
	unread []byte                   // read before anything else
}

// NetConn is the network's own connection. When TLS returns nil and something was read, and all
// that was unread was read again, it may be used instead of Conn.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Rebase replaces the network's own connection, below TLS, by inner, and returns the TLS
// that reads and writes it from now on, nil when the connection is plaintext. Something must have
// been read, and nothing may be under way. The caller closes the network's connection.
func (c *Conn) Rebase(inner net.Conn) *tls.Conn {
	secure := c.secure.Load()
	if secure != nil {
		c.inner.Conn = inner
	}
	c.Conn = inner
	return secure
}

// TLS is the TLS connection, nil when the connection is plaintext or not decided yet.
func (c *Conn) TLS() *tls.Conn { return c.secure.Load() }

func (c *Conn) Read(b []byte) (int, error) {
	c.decide.Do(c.peek)
	switch secure := c.secure.Load(); {
	case len(c.unread) > 0:
		return c.readAgain(b), nil
	case c.err != nil:
		return 0, c.err
	case secure != nil:
		return secure.Read(b)
	}
	return c.Conn.Read(b)
}

// Unread makes the next calls of Read return b first. It keeps a copy. It must not be called while
// a Read is under way, nor before what was unread last was read.
func (c *Conn) Unread(b []byte) {
	c.unread = bytes.Clone(b)
}

// readAgain reads what was unread.
func (c *Conn) readAgain(b []byte) int {
	n := copy(b, c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 {
		c.unread = nil
	}
	return n
}

func (c *Conn) Write(b []byte) (int, error) {
	c.decide.Do(c.peek)
	switch secure := c.secure.Load(); {
	case c.err != nil:
		return 0, c.err
	case secure != nil:
		return secure.Write(b)
	}
	return c.Conn.Write(b)
}

// CloseWrite ends our direction, so that an answer sent just before is not
// lost with a reset.
func (c *Conn) CloseWrite() error {
	if secure := c.secure.Load(); secure != nil {
		return secure.CloseWrite()
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close ends the connection, also while another goroutine waits for its first byte.
func (c *Conn) Close() error {
	if secure := c.secure.Load(); secure != nil {
		return secure.Close()
	}
	return c.Conn.Close()
}

// peek reads the first byte and, when it begins a handshake, does the handshake.
func (c *Conn) peek() {
	if _, c.err = io.ReadFull(c.Conn, c.first[:]); c.err != nil {
		return
	}

	if c.first[0] != tlsRecord {
		c.unread = c.first[:]
		return
	}

	c.inner = &replayed{Conn: c.Conn, first: c.first[0]}
	secure := tls.Server(c.inner, c.config)
	c.secure.Store(secure)

	if c.err = c.SetWriteDeadline(time.Now().Add(HandshakeTimeout)); c.err != nil {
		return
	}
	if c.err = secure.Handshake(); c.err == nil {
		c.err = c.SetWriteDeadline(time.Time{})
	}
}

// replayed gives TLS the byte that was read to decide. Only the handshake's goroutine reads
// before it is gone.
type replayed struct {
	net.Conn
	first byte
	done  bool
}

func (r *replayed) Read(b []byte) (int, error) {
	if !r.done && len(b) > 0 {
		r.done = true
		b[0] = r.first
		return 1, nil
	}
	return r.Conn.Read(b)
}
