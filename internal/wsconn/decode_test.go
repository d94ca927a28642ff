package wsconn

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// decoding is how a connection reads.
type decoding struct{ texts, deflated bool }

// decoded is all that is to be seen of a stream.
type decoded struct {
	controls []string // opcode and payload; texts too, if they are wanted
	code     int      // of the error, or 0
	used     int      // bytes
}

const guard = "not the decoder's"

// decode feeds a stream in pieces whose sizes pick gives. As connections do, it forgets a decoder
// that is idle.
func (how decoding) decode(stream []byte, pick func(left int) int) decoded {
	fresh := decoder{limit: 4096, texts: how.texts, deflated: how.deflated}
	d := fresh
	var out decoded
	for len(stream) > 0 {
		size := pick(len(stream))
		room := append(slices.Clone(stream[:size]), guard...)
		piece := room[:size]
		stream = stream[size:]
		for len(piece) > 0 {
			n, op, payload, err := d.next(piece)
			if string(room[size:]) != guard {
				panic("it wrote beyond what it was given")
			}
			piece = piece[n:]
			out.used += n
			if err != nil {
				out.code = err.Code
				return out
			}
			if op != 0 {
				out.controls = append(out.controls, string(rune(op))+string(payload))
			}
		}
		if d.idle() {
			d = fresh
		}
	}
	return out
}

// reference decodes with gobwas/ws, frame by frame, from a stream that is there as a whole.
func (how decoding) reference(stream []byte) (out decoded) {
	r := bytes.NewReader(stream)
	state := ws.StateServerSide
	var m message
	for {
		h, packed, code := how.referenceHeader(r, state)
		if code != 0 {
			out.code = max(code, 0)
			return out
		}
		if h.OpCode.IsData() && !m.begins(h, packed) {
			out.code = 1009
			return out
		}
		payload := make([]byte, h.Length)
		n, err := io.ReadFull(r, payload)
		payload = payload[:n]
		ws.Cipher(payload, h.Mask, 0)
		if h.OpCode.IsControl() {
			if err != nil {
				return out
			}
			out.controls = append(out.controls, string(rune(h.OpCode))+string(payload))
			continue
		}
		whole := h.Fin && err == nil
		if out.code = m.takes(payload, whole); out.code != 0 || err != nil {
			return out
		}
		state = state.Set(ws.StateFragmented)
		if whole {
			if how.texts && m.kind == ws.OpText {
				out.controls = append(out.controls, string(rune(ws.OpText))+string(m.bytes))
			}
			state, m = ws.StateServerSide, message{}
		}
	}
}

// referenceHeader gives the close code of a wrong one, and -1 when there is none.
func (how decoding) referenceHeader(r *bytes.Reader, state ws.State) (h ws.Header, packed bool, code int) {
	left := r.Len()
	h, err := ws.ReadHeader(r)
	if packed = how.deflated && h.Rsv == 4 && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary); packed {
		h.Rsv = 0
	}
	switch {
	case err == ws.ErrHeaderLengthMSB:
		return h, packed, 1002
	case err != nil:
		return h, packed, -1
	case ws.CheckHeader(h, state) != nil, left-r.Len() != ws.HeaderSize(h): // the latter: not the shortest form
		return h, packed, 1002
	}
	return h, packed, 0
}

// message is one of the reference, so far.
type message struct {
	kind   ws.OpCode
	packed bool
	bytes  []byte
}

// begins takes a header, and tells whether its payload is not too much.
func (m *message) begins(h ws.Header, packed bool) bool {
	if h.OpCode != ws.OpContinuation {
		m.kind, m.packed = h.OpCode, packed
	}
	limit := int64(4096)
	if m.packed {
		limit += packedSlack
	}
	return h.Length <= limit-int64(len(m.bytes))
}

// takes gives the close code of a payload that makes the message wrong.
func (m *message) takes(payload []byte, whole bool) (code int) {
	m.bytes = append(m.bytes, payload...)
	if m.packed {
		if !whole {
			return 0
		}
		plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(append(m.bytes, finished...))), 4097))
		if err != nil {
			return 1007
		}
		if m.bytes = plain; len(plain) > 4096 {
			return 1009
		}
	}
	if m.kind == ws.OpText && !validSoFar(m.bytes, whole) {
		return 1007
	}
	return 0
}

// validSoFar tells whether a text is valid, or could become so if it is not whole.
func validSoFar(text []byte, whole bool) bool {
	for len(text) > 0 {
		if !whole && !utf8.FullRune(text) {
			return true
		}
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			return false
		}
		text = text[size:]
	}
	return true
}

func (how decoding) check(t *testing.T, stream []byte, seed uint64) {
	t.Helper()
	want := how.reference(stream)
	random := rand.New(rand.NewPCG(seed, 1))
	for name, pick := range map[string]func(int) int{
		"at once":        func(left int) int { return left },
		"octets":         func(int) int { return 1 },
		"random":         func(left int) int { return 1 + random.IntN(left) },
		"as a conn does": func(left int) int { return min(left, readBuffer) },
	} {
		got := how.decode(stream, pick)
		if got.code != want.code || !slices.Equal(got.controls, want.controls) {
			t.Fatalf("%+v %s: got %d %q, want %d %q for %x", how, name, got.code, got.controls, want.code, want.controls, stream)
		}
		if got.code == 0 && got.used != len(stream) {
			t.Fatalf("%s: used %d of %d bytes", name, got.used, len(stream))
		}
	}
}

// TestDecoderHoweverCut compares with gobwas/ws over streams of random frames, most of which
// are valid.
func TestDecoderHoweverCut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "a", "κόσμε", "🎐", "\xe2\x82", "\xff", stars(125), stars(200), stars(3000), "\xed\xa0\x80"}
	firsts := []byte{fin | 1, fin | 1, fin | 2, 1, 2, 0, fin, fin, fin | 9, fin | 9, fin | 10, fin | 8, 9, fin | 3, fin | 0x41}
	for i := range 3000 {
		var stream []byte
		for range 1 + random.IntN(6) {
			stream = append(stream, frame(firsts[random.IntN(len(firsts))], texts[random.IntN(len(texts))])...)
		}
		decoding{i%2 == 0, i%3 == 0}.check(t, stream[:len(stream)-random.IntN(3)], uint64(i))
	}
}

func FuzzReadFrames(f *testing.F) {
	for _, c := range rfcCases(f) {
		var stream []byte
		for _, step := range c.steps {
			stream = append(stream, step.bytes...)
		}
		if len(stream) > 0 && len(stream) < 1000 { // small inputs, many of them
			f.Add(stream, uint64(1), true, c.compression)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, texts, deflated bool) {
		decoding{texts, deflated}.check(t, stream, seed)
	})
}

func TestDecoderAllocatesNothing(t *testing.T) {
	stream := slices.Concat(text("heartbeat"), pong(""), binaryFrame("x"))
	room := make([]byte, len(stream))
	d := decoder{limit: 4096}
	allocations := testing.AllocsPerRun(100, func() {
		for p := room[:copy(room, stream)]; len(p) > 0; {
			n, _, _, err := d.next(p)
			if err != nil {
				t.Fatal(err)
			}
			p = p[n:]
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func TestTextFrame(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 100_000} {
		want := []byte(stars(size))
		r := bytes.NewReader(TextFrame(want, false))
		h, err := ws.ReadHeader(r)
		if err != nil || !h.Fin || h.OpCode != ws.OpText || h.Masked || h.Length != int64(size) {
			t.Fatalf("%d bytes: header %+v, %v", size, h, err)
		}
		if got, _ := io.ReadAll(r); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: payload differs", size)
		}
	}
}

func TestCloseFrameIsAlwaysValid(t *testing.T) {
	tests := []struct {
		name, reason string
		code         int
		wantCode     ws.StatusCode
		wantReason   string
	}{
		{"usual", "unauthorized", 4401, 4401, "unauthorized"},
		{"code that must not be sent", "r", 1006, 1011, "r"},
		{"no code at all", "r", 0, 1011, "r"},
		{"too long", stars(200), 4003, 4003, stars(123)},
		{"cut between characters", stars(122) + "é", 4003, 4003, stars(122)},
		{"not text", "a\xffb", 4003, 4003, "a?b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw := closeFrame(test.code, test.reason)
			code, reason := ws.ParseCloseFrameData(raw[2:])
			if int(raw[1]) != len(raw)-2 || len(raw) > 127 || code != test.wantCode || reason != test.wantReason {
				t.Errorf("got %d %q in %d bytes", code, reason, len(raw))
			}
		})
	}
}
