package rig

import (
	"encoding/binary"
	"fmt"
)

// Opcodes of RFC 6455.
const (
	OpText  = 1
	OpClose = 8
	OpPing  = 9
)

// FrameAt finds the frame that b begins with: its payload and its whole length, which is 0 when
// it is not all there. Frames of a server have no mask.
func FrameAt(b []byte) (op byte, payload []byte, whole int) {
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

// ReadFrames calls each for the whole frames that p begins with and returns their length.
func ReadFrames(p []byte, each func(op byte, payload []byte)) (used int) {
	for {
		op, payload, whole := FrameAt(p[used:])
		if whole == 0 {
			return used
		}
		each(op, payload)
		used += whole
	}
}

// Pong answers a ping. Its mask is zero, so that the payload stays as it is.
func Pong(payload []byte) []byte {
	return append([]byte{0x8a, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// MaskedText is a text frame of a client with less than 64 KiB.
func MaskedText(payload []byte) []byte {
	frame := []byte{0x80 | OpText, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		frame = binary.BigEndian.AppendUint16([]byte{0x80 | OpText, 0x80 | 126}, uint16(len(payload)))
	}
	return append(append(frame, 0, 0, 0, 0), payload...)
}

// TextFrame is a frame of exactly size bytes that begins with the payload, filled up with
// spaces. size is at least 130 and less than 64 KiB.
func TextFrame(size int, payload string) []byte {
	frame := binary.BigEndian.AppendUint16([]byte{0x80 | OpText, 126}, uint16(size-4))
	frame = append(frame, payload...)
	for len(frame) < size {
		frame = append(frame, ' ')
	}
	return frame
}

// CloseText returns code and reason of a close frame.
func CloseText(payload []byte) string {
	if len(payload) < 2 {
		return "no code"
	}
	return fmt.Sprintf("%d %s", binary.BigEndian.Uint16(payload), payload[2:])
}
