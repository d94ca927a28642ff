package wsconn

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

const (
	maxControl = ws.MaxControlFramePayloadSize
	maxReason  = maxControl - 2 // bytes of text in a close frame
	maxHeader  = 10             // of a frame that a server sends
)

// Close codes of RFC 6455 that this package gives. The hub has its own.
const (
	codeGoingAway    = 1001
	codeProtocol     = 1002
	codeNoStatus     = 1005 // never sent: a close frame without code
	codeAbnormal     = 1006 // never sent: no close frame at all
	codeInvalidText  = 1007
	codePolicy       = 1008
	codeTooBig       = 1009
	codeInternal     = 1011
	codeTryLater     = 1013
	codeTLSHandshake = 1015
)

// What marks a message as compressed, in the form of ws.Header and in the first byte of a frame.
const (
	rsv1    = 4
	rsv1Bit = 0x40
)

// TextFrame is the frame that carries a text to clients: final, unmasked, header and payload
// in one piece. All receivers of an event share it, so it must not be changed. compressed is for
// those that negotiated it; a text that would gain nothing stays as it is.
func TextFrame(text []byte, compressed bool) []byte {
	if compressed && len(text) >= minCompressed {
		if frame := compressedFrame(text); frame != nil {
			return frame
		}
	}
	return newFrame(text)
}

func newFrame(payload []byte) []byte {
	return appendFrame(make([]byte, 0, maxHeader+len(payload)), ws.OpText, payload)
}

func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	const final = 0x80
	dst = append(dst, final|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

// closeFrame makes a valid close frame of anything: a code that must not be sent becomes 1011,
// a reason that is too long is cut between characters. codeNoStatus gives one without body.
func closeFrame(code int, reason string) []byte {
	if code == codeNoStatus {
		return appendFrame(nil, ws.OpClose, nil)
	}
	if !validCode(code) {
		code = codeInternal
	}

	// Cut between characters: a reason has to be valid UTF-8.
	reason = strings.ToValidUTF8(reason, "?")
	if len(reason) > maxReason {
		end := maxReason
		for !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}

	body := binary.BigEndian.AppendUint16(make([]byte, 0, maxControl), uint16(code))
	return appendFrame(nil, ws.OpClose, append(body, reason...))
}

// validCode reports whether a close frame may carry the code (RFC 6455 section 7.4 and the codes
// that IANA registered since).
func validCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code < codeTLSHandshake:
		return true
	default:
		return code >= 3000 && code <= 4999
	}
}
