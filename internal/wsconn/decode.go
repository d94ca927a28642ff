package wsconn

import (
	"encoding/binary"
	"math"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/carillon-chat/carillon/internal/realtime"
)

// decoder reads the frames of one client from bytes as they come, in pieces of any size. It returns
// control frames, and whole texts if they are wanted; other data is checked and dropped.
type decoder struct {
	limit    int  // bytes of one data message, all its fragments together
	texts    bool // they are wanted
	deflated bool // messages may be compressed

	head    [ws.MaxHeaderSize]byte
	headLen int

	frames int // whose header was complete, since they were counted

	inFrame bool // header is that of a frame whose payload is not complete
	header  ws.Header
	seen    int // bytes of its payload so far
	control [maxControl]byte

	message ws.OpCode // of the data message that is not complete; 0: none
	size    int       // its bytes in frames whose header was read
	text    textCheck
	packed  bool   // it is compressed
	whole   []byte // a compressed message, or a text that is wanted, so far
	plain   []byte // a message that was compressed
}

// decoders are lent to connections while a frame or message of theirs is not complete.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

func newDecoder(c *conn) *decoder {
	d := decoders.Get().(*decoder)
	d.limit, d.texts, d.deflated = c.srv.opts.ReadLimit, c.texts, c.deflated
	return d
}

// idle reports whether nothing has to be remembered.
func (d *decoder) idle() bool { return !d.inFrame && d.headLen == 0 && d.message == 0 }

func (d *decoder) release() {
	*d = decoder{whole: d.whole[:0], plain: d.plain[:0]}
	decoders.Put(d)
}

// countFrames returns how many frames came since it was last called, empty ones and pieces of
// messages included.
func (d *decoder) countFrames() int {
	n := d.frames
	d.frames = 0
	return n
}

// next consumes bytes from the front of p, which it overwrites, until a control frame is
// complete or p is used up, and returns how many. op is 0 when there is no control frame. The
// payload stays valid until the following call. After an error the stream cannot be read on;
// the error is the close frame for the client.
func (d *decoder) next(p []byte) (n int, op ws.OpCode, payload []byte, err *realtime.CloseError) {
	for {
		if !d.inFrame {
			used, complete := d.readHeader(p[n:])
			n += used
			if !complete {
				return n, 0, nil, nil
			}
			if err := d.begin(); err != nil {
				return n, 0, nil, err
			}
		}

		piece := p[n:min(len(p), n+int(d.header.Length)-d.seen)]
		n += len(piece)
		if err := d.payload(piece); err != nil {
			return n, 0, nil, err
		}
		if d.seen < int(d.header.Length) {
			return n, 0, nil, nil
		}

		d.inFrame, d.headLen = false, 0
		if d.header.OpCode.IsControl() {
			return n, d.header.OpCode, d.control[:d.seen], nil
		}
		if op, payload, err = d.end(); err != nil || op != 0 {
			return n, op, payload, err
		}
	}
}

// readHeader gathers a header, which may come byte by byte.
func (d *decoder) readHeader(p []byte) (used int, complete bool) {
	for {
		want := d.headerSize()
		if d.headLen == want {
			return used, true
		}
		n := copy(d.head[d.headLen:want], p[used:])
		used += n
		d.headLen += n
		if d.headLen < want {
			return used, false
		}
	}
}

// headerSize is known once two bytes are there.
func (d *decoder) headerSize() int {
	if d.headLen < 2 {
		return 2
	}
	size := 2
	switch d.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if d.head[1]&0x80 != 0 {
		size += 4
	}
	return size
}

// begin checks a complete header.
func (d *decoder) begin() *realtime.CloseError {
	h := ws.Header{
		Fin:    d.head[0]&0x80 != 0,
		Rsv:    d.head[0] >> 4 & 7,
		OpCode: ws.OpCode(d.head[0] & 0x0f),
		Masked: d.head[1]&0x80 != 0,
	}

	var err *realtime.CloseError
	if h.Length, err = frameLength(d.head[1:]); err != nil {
		return err
	}
	if h.Masked {
		copy(h.Mask[:], d.head[d.headLen-4:])
	}

	// ws.CheckHeader knows no extensions, so the bit of compression is taken off before.
	packed := d.deflated && h.Rsv == rsv1 && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary)
	if packed {
		h.Rsv = 0 // ours to know
	}
	state := ws.StateServerSide
	if d.message != 0 {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return &realtime.CloseError{Code: codeProtocol, Reason: err.Error()}
	}

	// The limit holds before anything of the payload is kept.
	if h.OpCode.IsData() {
		if d.message == 0 {
			d.message, d.packed = h.OpCode, packed
		}
		room := d.limit - d.size
		if d.packed {
			room += packedSlack
		}
		if h.Length > int64(room) {
			return errTooLong
		}
		d.size += int(h.Length)
	}

	d.frames++
	d.inFrame, d.header, d.seen = true, h, 0
	return nil
}

// frameLength reads a length in the one form that it may have (RFC 6455 section 5.2).
func frameLength(field []byte) (int64, *realtime.CloseError) {
	length, least := uint64(field[0]&0x7f), uint64(0)
	switch length {
	case 126:
		length, least = uint64(binary.BigEndian.Uint16(field[1:])), 126
	case 127:
		length, least = binary.BigEndian.Uint64(field[1:]), 1<<16
	}
	switch {
	case length < least:
		return 0, &realtime.CloseError{Code: codeProtocol, Reason: "frame length is not in its shortest form"}
	case length > math.MaxInt64:
		return 0, &realtime.CloseError{Code: codeProtocol, Reason: "frame length is out of range"}
	}
	return int64(length), nil
}

func (d *decoder) payload(piece []byte) *realtime.CloseError {
	ws.Cipher(piece, d.header.Mask, d.seen)
	if d.header.OpCode.IsControl() {
		copy(d.control[d.seen:], piece)
	} else if d.packed {
		d.whole = append(d.whole, piece...)
	} else if d.message == ws.OpText {
		if !d.text.write(piece) {
			return errInvalidText
		}
		if d.texts {
			d.whole = append(d.whole, piece...)
		}
	}
	d.seen += len(piece)
	return nil
}

// end finishes a data frame, and its message if that was the last of it.
func (d *decoder) end() (op ws.OpCode, payload []byte, err *realtime.CloseError) {
	if !d.header.Fin {
		return 0, nil, nil
	}
	if d.packed {
		if err := d.inflate(); err != nil {
			return 0, nil, err
		}
	}

	if d.message == ws.OpText && !d.text.complete() {
		return 0, nil, errInvalidText
	}
	if d.texts && d.message == ws.OpText {
		op, payload = ws.OpText, d.whole
	}
	d.message, d.packed, d.size, d.whole = 0, false, 0, d.whole[:0]
	return op, payload, nil
}

// inflate replaces the compressed message by its plain form.
func (d *decoder) inflate() (err *realtime.CloseError) {
	if d.plain, err = appendInflated(d.plain[:0], d.whole, d.limit); err != nil {
		return err
	}
	d.whole, d.plain = d.plain, d.whole[:0]
	if d.message == ws.OpText && !d.text.write(d.whole) {
		return errInvalidText
	}
	return nil
}

var errTooLong = &realtime.CloseError{Code: codeTooBig, Reason: "message is too long"}

var errInvalidText = &realtime.CloseError{Code: codeInvalidText, Reason: "text is not valid UTF-8"}

// closeCode reads the body of a client's close frame; codeNoStatus when there is none.
func closeCode(body []byte) (int, *realtime.CloseError) {
	switch len(body) {
	case 0:
		return codeNoStatus, nil
	case 1:
		return 0, &realtime.CloseError{Code: codeProtocol, Reason: "close frame with half a code"}
	}
	code := int(binary.BigEndian.Uint16(body))
	if !validCode(code) {
		return 0, &realtime.CloseError{Code: codeProtocol, Reason: "close code is not allowed"}
	}
	if !utf8.Valid(body[2:]) {
		return 0, &realtime.CloseError{Code: codeInvalidText, Reason: "close reason is not valid UTF-8"}
	}
	return code, nil
}

// textCheck validates UTF-8 that comes in pieces cut anywhere.
type textCheck struct {
	rest [utf8.UTFMax]byte // beginning of a character
	n    int
}

// write reports false as soon as no continuation could make the text valid.

// First what the piece before left of a character.
func (t *textCheck) write(p []byte) bool {
	for t.n > 0 && len(p) > 0 {
		t.rest[t.n] = p[0]
		t.n++
		p = p[1:]
		if !utf8.FullRune(t.rest[:t.n]) {
			continue
		}
		if r, size := utf8.DecodeRune(t.rest[:t.n]); r == utf8.RuneError && size == 1 {
			return false
		}
		t.n = 0
	}

	// Then this piece, up to a character that is cut at its end.
	whole := len(p)
	for back := 1; back < utf8.UTFMax && back <= len(p); back++ {
		if start := len(p) - back; utf8.RuneStart(p[start]) {
			if !utf8.FullRune(p[start:]) {
				whole = start
			}
			break
		}
	}

	if whole < len(p) {
		t.n = copy(t.rest[:], p[whole:])
	}
	return utf8.Valid(p[:whole])
}

// complete reports whether the text did not end within a character, and starts anew.
func (t *textCheck) complete() bool {
	ok := t.n == 0
	t.n = 0
	return ok
}
