//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/carillon-chat/carillon/internal/lab"
)

// Opcodes of RFC 6455.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
)

// frameAt finds the frame that b begins with: its payload and its whole length, which is 0 when
// it is not all there. Frames of a server have no mask.
func frameAt(b []byte) (op byte, payload []byte, whole int) {
	if len(b) < 2 {
		return 0, nil, 0
	}
	head, length := 2, int(b[1]&0x7f)
	switch length {
	case 126:
		if head = 4; len(b) < head {
			return 0, nil, 0
		}
		length = int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return 0, nil, 0
		}
		length = int(binary.BigEndian.Uint64(b[2:]))
	}
	if length > len(b)-head {
		return 0, nil, 0
	}
	return b[0] & 0x0f, b[head : head+length], head + length
}

// readFrames calls each for the whole frames that p begins with and returns their length.
func readFrames(p []byte, each func(op byte, payload []byte)) (used int) {
	for {
		op, payload, whole := frameAt(p[used:])
		if whole == 0 {
			return used
		}
		each(op, payload)
		used += whole
	}
}

// pong answers a ping. Its mask is zero, so that the payload stays as it is.
func pong(payload []byte) []byte {
	return append([]byte{0x8a, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// textFrame is a frame of exactly size bytes that begins with the payload, filled up with
// spaces. size is at least 130 and less than 64 KiB.
func textFrame(size int, payload string) []byte {
	frame := binary.BigEndian.AppendUint16([]byte{0x80 | opText, 126}, uint16(size-4))
	frame = append(frame, payload...)
	for len(frame) < size {
		frame = append(frame, ' ')
	}
	return frame
}

// socket is one WebSocket, or the reference's stand-in for it.
type socket struct {
	net.Conn
	buf  []byte
	fill int
}

// fillUp waits for bytes.
func (s *socket) fillUp() error {
	if s.fill == len(s.buf) {
		return fmt.Errorf("a frame is longer than %d bytes", len(s.buf))
	}
	n, err := s.Read(s.buf[s.fill:])
	s.fill += n
	return err
}

// idle reads and answers pings until the socket ends.
func (s *socket) idle() {
	for {
		used := readFrames(s.buf[:s.fill], func(op byte, payload []byte) {
			if op == opPing {
				_, _ = s.Write(pong(payload))
			}
		})
		s.fill = copy(s.buf, s.buf[used:s.fill])
		if s.fillUp() != nil {
			return
		}
	}
}

// door is how sockets are opened at a node.
type door struct {
	Addr     string
	Source   string // address that they come from, for more ports than one address has; empty: any
	Prefetch bool
	Endpoint bool // ask for the endpoint first, as clients do

	secure *tls.Config // nil: plaintext
}

const handshakeBuffer = 4 << 10

// connect opens a WebSocket as the user and waits until its session is established. What follows
// that first frame stays in the socket.
func (d door) connect(user string) (*socket, error) {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	if d.Source != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(d.Source)}
	}
	raw, err := dialer.Dial("tcp", d.Addr)
	if err != nil {
		return nil, err
	}
	// A reset instead of TIME_WAIT, so that runs do not use up the ports of the machine.
	_ = raw.(*net.TCPConn).SetLinger(0)
	conn := raw
	if d.secure != nil {
		conn = tls.Client(raw, d.secure)
	}
	s := &socket{Conn: conn, buf: make([]byte, handshakeBuffer)}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := d.establish(s, user); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, conn.SetDeadline(time.Time{})
}

func (d door) establish(s *socket, user string) error {
	requests := httpConn{Conn: s.Conn, buf: s.buf}
	if d.Endpoint {
		r, err := lab.Dev(d.Addr, 0).Request(context.Background(), http.MethodGet, "/endpoints/messaging-session", "", nil)
		if err != nil {
			return err
		}
		if err := requests.send(r); err != nil {
			return err
		}
		if err := requests.answer(); err != nil {
			return err
		}
	}

	// The upgrade goes over the same connection as the question for the endpoint, if there was one.
	r, err := d.upgrade(user)
	if err != nil {
		return err
	}
	if err := requests.send(r); err != nil {
		return err
	}
	if err := requests.switched(); err != nil {
		return err
	}

	// The session's first frame may be in the same read as the answer, and others after it.
	s.fill = requests.fill
	for {
		op, payload, whole := frameAt(s.buf[:s.fill])
		if op == opClose {
			return fmt.Errorf("refused: %s", closeText(payload))
		}
		s.fill = copy(s.buf, s.buf[whole:s.fill])
		if op == opText {
			return nil
		}
		if whole == 0 {
			if err := s.fillUp(); err != nil {
				return err
			}
		}
	}
}

// upgrade is a presigned request for a WebSocket.
func (d door) upgrade(user string) (*http.Request, error) {
	query := []string{"sessionId", strconv.FormatInt(time.Now().UnixNano(), 36)}
	if d.Prefetch {
		query = append(query, "prefetch-on", "connect")
	}
	target, err := lab.Dev(d.Addr, 0).Presign(user, time.Now(), time.Minute, query...)
	if err != nil {
		return nil, err
	}
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

// closeText returns code and reason of a close frame.
func closeText(payload []byte) string {
	if len(payload) < 2 {
		return "no code"
	}
	return fmt.Sprintf("%d %s", binary.BigEndian.Uint16(payload), payload[2:])
}
