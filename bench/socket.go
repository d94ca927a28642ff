//go:build linux

package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Opcodes of RFC 6455.
const (
	opText  = 1
	opClose = 8
)

// readFrames calls each for the whole frames that p begins with and returns their length. Frames
// of a server have no mask.
func readFrames(p []byte, each func(op byte, payload []byte)) (used int) {
	for {
		b := p[used:]
		if len(b) < 2 {
			return used
		}
		head, length := 2, int(b[1]&0x7f)
		switch length {
		case 126:
			if head = 4; len(b) < head {
				return used
			}
			length = int(binary.BigEndian.Uint16(b[2:]))
		case 127:
			if head = 10; len(b) < head {
				return used
			}
			length = int(binary.BigEndian.Uint64(b[2:]))
		}
		if len(b) < head+length {
			return used
		}
		each(b[0]&0x0f, b[head:head+length])
		used += head + length
	}
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

const socketBuffer = 64 << 10

// read waits for bytes and calls each for the frames among them.
func (s *socket) read(each func(op byte, payload []byte)) error {
	n, err := s.Read(s.buf[s.fill:])
	s.fill += n
	used := readFrames(s.buf[:s.fill], each)
	s.fill = copy(s.buf, s.buf[used:s.fill])
	if err == nil && s.fill == len(s.buf) {
		err = fmt.Errorf("a frame is longer than %d bytes", len(s.buf))
	}
	return err
}

// connect opens a WebSocket as the user and waits until its session is established.
func connect(addr, user string, secure *tls.Config, buffer int) (*socket, error) {
	raw, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	// A reset instead of TIME_WAIT, so that runs do not use up the ports of the machine.
	_ = raw.(*net.TCPConn).SetLinger(0)
	conn := raw
	if secure != nil {
		conn = tls.Client(raw, secure)
	}
	s := &socket{Conn: conn, buf: make([]byte, buffer)}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := s.establish(addr, user); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, conn.SetDeadline(time.Time{})
}

func (s *socket) establish(addr, user string) error {
	query := url.Values{"userArn": {user}, "sessionId": {"bench"}}
	r, err := http.NewRequest(http.MethodGet, "http://"+addr+"/connect?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	signer := root.signer("chime")
	if err := signer.Presign(r, sha256.Sum256(nil), time.Now(), time.Minute); err != nil {
		return err
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	request, err := wire(r)
	if err != nil {
		return err
	}
	if _, err := s.Write(request); err != nil {
		return err
	}
	upgrade := httpConn{Conn: s.Conn, buf: s.buf}
	if err := upgrade.switched(); err != nil {
		return err
	}
	s.fill = upgrade.fill
	established := false
	each := func(op byte, payload []byte) {
		established = established || op == opText
		if op == opClose && err == nil {
			err = fmt.Errorf("refused: %s", closeText(payload))
		}
	}
	s.fill = copy(s.buf, s.buf[readFrames(s.buf[:s.fill], each):s.fill])
	for !established && err == nil {
		if failed := s.read(each); err == nil {
			err = failed
		}
	}
	return err
}

// closeText tells code and reason of a close frame.
func closeText(payload []byte) string {
	if len(payload) < 2 {
		return "no code"
	}
	return fmt.Sprintf("%d %s", binary.BigEndian.Uint16(payload), payload[2:])
}
