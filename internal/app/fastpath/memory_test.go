package fastpath_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// memory is the server's side of a connection in memory. A read returns no more than the client sent
// at once, and a write never waits.
type memory struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced with every change
	sent     [][]byte      // by the client, not read yet
	ended    bool          // the client sends nothing more
	answered bytes.Buffer
	closed   bool // by the server, at least its direction
	broken   bool
	deadline time.Time
	writeBy  time.Time
}

func newMemory() *memory { return &memory{changed: make(chan struct{})} }

func (m *memory) change(how func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	how()
	close(m.changed)
	m.changed = make(chan struct{})
}

// send is the client's.
func (m *memory) send(piece []byte) {
	m.change(func() { m.sent = append(m.sent, piece) })
}

// finish ends what the client sends.
func (m *memory) finish() { m.change(func() { m.ended = true }) }

// hangUp is the client's reset.
func (m *memory) hangUp() { m.change(func() { m.broken = true }) }

// seen is what the client has got.
func (m *memory) seen() (answered string, closed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answered.String(), m.closed
}

func (m *memory) Read(p []byte) (int, error) {
	for {
		m.mu.Lock()
		var timer <-chan time.Time
		switch left := time.Until(m.deadline); {
		case m.broken:
			m.mu.Unlock()
			return 0, &net.OpError{Op: "read", Err: net.ErrClosed}
		case m.deadline.IsZero():
		case left <= 0:
			m.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		default:
			timer = time.After(left)
		}
		if len(m.sent) > 0 {
			n := copy(p, m.sent[0])
			if m.sent[0] = m.sent[0][n:]; len(m.sent[0]) == 0 {
				m.sent = m.sent[1:]
			}
			m.mu.Unlock()
			return n, nil
		}
		if m.ended {
			m.mu.Unlock()
			return 0, io.EOF
		}
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-timer:
		}
	}
}

func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.broken {
		return 0, &net.OpError{Op: "write", Err: net.ErrClosed}
	}
	return m.answered.Write(p)
}

func (m *memory) Close() error {
	m.change(func() { m.closed, m.broken = true, true })
	return nil
}

func (m *memory) CloseWrite() error {
	m.change(func() { m.closed = true })
	return nil
}

func (m *memory) SetReadDeadline(t time.Time) error {
	m.change(func() { m.deadline = t })
	return nil
}

func (m *memory) SetDeadline(t time.Time) error { return m.SetReadDeadline(t) }
func (m *memory) SetWriteDeadline(t time.Time) error {
	m.change(func() { m.writeBy = t })
	return nil
}

func (m *memory) writeDeadline() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writeBy
}

func (*memory) LocalAddr() net.Addr { return address("server") }

// RemoteAddr takes the deadline away, as a connection does that waits for the header of a proxy.
func (m *memory) RemoteAddr() net.Addr {
	_ = m.SetReadDeadline(time.Time{})
	return address("client")
}

// Unread implements fastpath.Conn.
func (m *memory) Unread(b []byte) {
	if len(b) > 0 {
		m.change(func() { m.sent = append([][]byte{bytes.Clone(b)}, m.sent...) })
	}
}

type address string

func (a address) Network() string { return "memory" }
func (a address) String() string  { return string(a) }

// one is a listener that accepts one connection.
type one struct {
	conn chan net.Conn
	done chan struct{}
	once sync.Once
}

func newOne(conn net.Conn) *one {
	l := &one{conn: make(chan net.Conn, 1), done: make(chan struct{})}
	l.conn <- conn
	return l
}

func (l *one) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conn:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *one) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (*one) Addr() net.Addr { return address("server") }
