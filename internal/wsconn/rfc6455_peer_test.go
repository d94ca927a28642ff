package wsconn

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// rfcPeer is a client that is made of octets.
type rfcPeer struct {
	t         *testing.T
	nc        net.Conn
	br        *bufio.Reader
	where     string // in the cases
	piece     int    // octets of one write
	lateBytes bool   // it sends more after its own close frame, so that it may be reset
	accept    string // what proves that the server read the key
	answer    *http.Response
	waiting   []byte // to be sent
}

// newRFCPeer makes the client of a case.
func newRFCPeer(t *testing.T, nc net.Conn, c rfcCase, pieces bool) *rfcPeer {
	p := &rfcPeer{t: t, nc: nc, br: bufio.NewReader(nc), where: c.file + ": " + c.name, accept: rfcAccept(testKey)}
	total, first := 0, slices.IndexFunc(c.steps, func(s rfcStep) bool { return s.closes })
	for i, step := range c.steps {
		total += len(step.bytes)
		p.lateBytes = p.lateBytes || first >= 0 && i > first && step.verb == "send"
	}
	switch {
	case !pieces:
		p.piece = total + 1000
	case total <= 512:
		p.piece = 1
	default:
		p.piece = 997
	}
	return p
}

// rfcAccept is section 4.2.2, 5.4.
func rfcAccept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (p *rfcPeer) flush() {
	p.t.Helper()
	p.write(p.waiting)
	p.waiting = nil
}

func (p *rfcPeer) write(all []byte) {
	p.t.Helper()
	for len(all) > 0 {
		n := min(p.piece, len(all))
		if _, err := p.nc.Write(all[:n]); err != nil {
			if p.lateBytes && isReset(err) {
				return
			}
			p.t.Fatalf("%s: writing: %v", p.where, err)
		}
		all = all[n:]
	}
}

// rsv1Of in an opcode says that the message was compressed.
const rsv1Of = 0x40

// frame reads one of the server and judges its form (section 5.1 and 5.2).
func (p *rfcPeer) frame() (op byte, payload string) {
	p.t.Helper()
	var head [10]byte
	p.read(head[:2])
	length := uint64(head[1] & 0x7f)
	switch length {
	case 126:
		p.read(head[2:4])
		length = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		p.read(head[2:10])
		length = binary.BigEndian.Uint64(head[2:])
	}
	shortest := length < 126 || head[1] == 126 || head[1] == 127 && length > 65535
	op, rsv := head[0]&0x0f, head[0]&0x70
	compressed := rsv == rsv1Of && op == 1 && p.answer.Header.Get("Sec-WebSocket-Extensions") != ""
	if head[0]&0x80 == 0 || head[1]&0x80 != 0 || rsv != 0 && !compressed || !shortest && head[1] != byte(length) || op > 7 && length > 125 || length > 1<<20 {
		p.t.Fatalf("%s: the server's frame begins with % x", p.where, head)
	}
	body := make([]byte, length)
	p.read(body)
	if compressed {
		op, body = op|rsv1Of, p.inflate(body)
	}
	return op, string(body)
}

func (p *rfcPeer) read(b []byte) {
	p.t.Helper()
	if _, err := io.ReadFull(p.br, b); err != nil {
		p.t.Fatalf("%s: reading a frame: %v", p.where, err)
	}
}

// inflate is RFC 7692 section 7.2.2. A block that is marked as the last one makes an end.
func (p *rfcPeer) inflate(body []byte) []byte {
	p.t.Helper()
	text, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(body), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
	if err != nil {
		p.t.Fatalf("%s: inflating %x: %v", p.where, body, err)
	}
	return text
}

func (p *rfcPeer) want(op byte, payload string) {
	p.t.Helper()
	if gotOp, got := p.frame(); gotOp != op || got != payload {
		p.t.Fatalf("%s: got frame %d with %d octets %.60q, want %d with %d octets %.60q", p.where, gotOp, len(got), got, op, len(payload), payload)
	}
}

// wantHeard wants the session to be given a text of the client.
func (p *rfcPeer) wantHeard(s *fakeSession, text string) {
	p.t.Helper()
	select {
	case got := <-s.heard:
		if got != text {
			p.t.Fatalf("%s: the session heard %d octets %.60q, want %d %.60q", p.where, len(got), got, len(text), text)
		}
	case <-time.After(patience):
		p.t.Fatalf("%s: the session heard nothing", p.where)
	}
}

// wantClose wants a close frame; code 0 is one without. A reason that is not asked for may be any.
func (p *rfcPeer) wantClose(code int, reason string) {
	p.t.Helper()
	op, body := p.frame()
	got := 0
	if len(body) >= 2 {
		got, body = int(body[0])<<8|int(body[1]), body[2:]
	} else if body != "" {
		p.t.Fatalf("%s: a close frame with half a code", p.where)
	}
	if op != 8 || got != code || reason != "" && body != reason || !utf8.ValidString(body) {
		p.t.Fatalf("%s: got frame %d with %d %.60q, want close %d %q", p.where, op, got, body, code, reason)
	}
}

// wantEnd wants the end of the connection, in good order.
func (p *rfcPeer) wantEnd() {
	p.t.Helper()
	b, err := p.br.ReadByte()
	if err == nil || err != io.EOF && (!p.lateBytes || !isReset(err)) {
		p.t.Fatalf("%s: after the close frame: octet %x, error %v, want the end", p.where, b, err)
	}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
