//go:build linux

package rig

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"
)

// Socket is one WebSocket: an HTTP connection until it is upgraded. A Socket of a connection alone,
// without a buffer, can be given to a Crowd.
type Socket struct{ HTTPConn }

// handshakeBuffer has room for the answers that come before a socket is given to a Crowd.
const handshakeBuffer = 4 << 10

// handshakeTime is how long a socket may take from its first byte to its first frame.
const handshakeTime = 20 * time.Second

// DialSocket opens the connection of a WebSocket and bounds the time of its handshake, which
// Established ends. source is the address that it comes from, for more ports than one address has;
// empty is any. Without secure it is plaintext.
func DialSocket(addr, source string, secure *tls.Config) (*Socket, error) {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	if source != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(source)}
	}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}

	// A reset instead of TIME_WAIT, so that runs do not use up the ports of the machine.
	_ = conn.(*net.TCPConn).SetLinger(0)
	if secure != nil {
		conn = tls.Client(conn, secure)
	}
	return NewSocket(conn), conn.SetDeadline(time.Now().Add(handshakeTime))
}

// NewSocket is a socket of a connection.
func NewSocket(conn net.Conn) *Socket {
	return &Socket{HTTPConn{Conn: conn, buf: make([]byte, handshakeBuffer)}}
}

// Established lets the socket wait without a limit.
func (s *Socket) Established() error { return s.SetDeadline(time.Time{}) }

// UpgradeRequest is a request for a WebSocket.
func UpgradeRequest(target string) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	return r, nil
}

// Upgrade sends a request for a WebSocket and waits for the answer. One other than 101 is a
// *StatusError.
func (s *Socket) Upgrade(r *http.Request) error {
	if err := s.Send(r); err != nil {
		return err
	}
	return s.Switched()
}

// WriteText sends a text frame of less than 64 KiB. Its mask is zero, so that the payload stays as
// it is.
func (s *Socket) WriteText(payload []byte) error {
	_, err := s.Write(MaskedText(payload))
	return err
}

// Text waits for the next text frame and returns its payload; other frames are dropped. What follows
// the frame stays in the socket. A close frame is an error.
func (s *Socket) Text() ([]byte, error) {
	for {
		op, payload, whole := FrameAt(s.buf[:s.fill])
		if op == OpClose {
			return nil, fmt.Errorf("refused: %s", CloseText(payload))
		}
		text := slices.Clone(payload)
		s.fill = copy(s.buf, s.buf[whole:s.fill])
		if op == OpText {
			return text, nil
		}
		if whole == 0 {
			if err := s.FillUp(); err != nil {
				return nil, err
			}
		}
	}
}

// Frames calls each for the whole frames that were read.
func (s *Socket) Frames(each func(op byte, payload []byte)) {
	used := ReadFrames(s.buf[:s.fill], each)
	s.fill = copy(s.buf, s.buf[used:s.fill])
}

// Grow makes room for frames of so many bytes.
func (s *Socket) Grow(size int) { s.buf = append(make([]byte, 0, size), s.buf[:s.fill]...)[:size] }

// FillUp waits for bytes.
func (s *Socket) FillUp() error {
	if s.fill == len(s.buf) {
		return fmt.Errorf("a frame is longer than %d bytes", len(s.buf))
	}
	n, err := s.Read(s.buf[s.fill:])
	s.fill += n
	return err
}

// Idle reads and answers pings until the socket ends.
func (s *Socket) Idle() {
	for {
		s.Frames(func(op byte, payload []byte) {
			if op == OpPing {
				_, _ = s.Write(Pong(payload))
			}
		})
		if s.FillUp() != nil {
			return
		}
	}
}
