package wsconn

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
)

func TestAcceptDeflate(t *testing.T) {
	const plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, test := range []struct {
		offer, want string
	}{
		{"", ""},
		{"x-webkit-deflate-frame", ""},
		{"permessage-deflate", plain},
		{"permessage-deflate; client_max_window_bits", plain}, // Chromium, npm ws
		{"permessage-deflate ; client_max_window_bits = 12", plain},
		{`permessage-deflate; client_max_window_bits="10"`, plain},
		{"permessage-deflate; server_no_context_takeover; client_no_context_takeover", plain},
		{"permessage-deflate; server_max_window_bits=15", plain + "; server_max_window_bits=15"},
		{"permessage-deflate; server_max_window_bits=12", ""}, // the compressor's is 15
		{"permessage-deflate; server_max_window_bits=12, permessage-deflate", plain},
		{"unknown, permessage-deflate; client_max_window_bits", plain},
		{"permessage-deflate; server_max_window_bits", ""},
		{"permessage-deflate; client_max_window_bits=7", ""},
		{"permessage-deflate; client_max_window_bits=16", ""},
		{"permessage-deflate; client_max_window_bits=09", ""},
		{"permessage-deflate; client_max_window_bits=x", ""},
		{"permessage-deflate; client_no_context_takeover=1", ""},
		{"permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""},
		{"permessage-deflate; unknown", ""},
	} {
		if got := acceptDeflate([]string{test.offer}); got != test.want {
			t.Errorf("%q: got %q, want %q", test.offer, got, test.want)
		}
	}
}

// TestCompression talks with an independent client in both directions.
func TestCompression(t *testing.T) {
	for _, offered := range []bool{false, true} {
		t.Run(fmt.Sprint("offered ", offered), func(t *testing.T) { testCompression(t, offered) })
	}
}

func testCompression(t *testing.T, offered bool) {
	session := attentive{texts: make(chan string, 10)}
	transports := make(chan *fakeSession, 1)
	s := New(Options{
		Compression: true, Authenticate: granting(realtime.Grant{Extras: chime.ExtraTyping}),
		Hub: attachFunc(func(g realtime.Grant, transport realtime.Transport) (Session, error) {
			out := &fakeSession{transport: transport, grant: g, detached: make(chan struct{})}
			transports <- out
			return struct {
				*fakeSession
				realtimeReceiver
			}{out, session}, nil
		}),
	})
	web := httptest.NewServer(s)
	defer func() {
		shutdown(t, s)
		web.Close()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	mode := map[bool]websocket.CompressionMode{false: websocket.CompressionDisabled, true: websocket.CompressionContextTakeover}[offered]
	client, response, err := websocket.Dial(ctx, web.URL+"/connect", &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseNow()
	client.SetReadLimit(1 << 20)
	if got := response.Header.Get("Sec-WebSocket-Extensions"); (got != "") != offered {
		t.Errorf("extensions %q", got)
	}
	out := <-transports
	if out.grant.Compressed != offered {
		t.Errorf("the hub was told %v", out.grant.Compressed)
	}
	for _, size := range []int{0, 10, 199, 200, 600, 5000, 70_000, 300_000} {
		want := strings.Repeat("a line of chat, ", size/16+1)[:size]
		out.push(TextFrame([]byte(want), out.grant.Compressed))
		if _, got, err := client.Read(ctx); err != nil || string(got) != want {
			t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	for _, size := range []int{0, 1, 500, 4096} {
		want := strings.Repeat("typing. ", size/8+1)[:size]
		if err := client.Write(ctx, websocket.MessageText, []byte(want)); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-session.texts:
			if got != want {
				t.Fatalf("got %.40q, want %.40q", got, want)
			}
		case <-time.After(patience):
			t.Fatal("no text came")
		}
	}
	if err := client.Write(ctx, websocket.MessageText, []byte(stars(4097))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("error = %v", err)
	}
}

// realtimeReceiver is the part of a session that hears its client.
type realtimeReceiver interface{ Received(text []byte) }

// packed compresses as RFC 7692 section 7.2.1 says.
func packed(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression)
	_, _ = io.WriteString(w, s)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

const packedText = fin | rsv1Bit | 1

func TestCompressedInput(t *testing.T) { everyWay(t, testCompressedInput) }

func testCompressedInput(t *testing.T, w way) {
	hello := packed(strings.Repeat("hello ", 100))
	for _, test := range []struct {
		name  string
		send  [][]byte
		texts []string
		code  int
	}{
		{name: "whole", send: list(frame(packedText, hello)), texts: []string{strings.Repeat("hello ", 100)}},
		{name: "example of RFC 7692, 7.2.3.1", send: list(frame(packedText, "\xf2\x48\xcd\xc9\xc9\x07\x00")), texts: []string{"Hello"}},
		{name: "example of 7.2.3.3, not compressed", send: list(frame(packedText, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00")), texts: []string{"Hello"}},
		{name: "example of 7.2.3.4, last block", send: list(frame(packedText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")), texts: []string{"Hello"}},
		{name: "example of 7.2.3.5, two blocks", send: list(frame(packedText, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")), texts: []string{"Hello"}},
		{name: "fragments", send: list(frame(rsv1Bit|1, hello[:3]), ping("between"), frame(0, hello[3:5]), frame(fin, hello[5:]), text("plain")), texts: []string{strings.Repeat("hello ", 100), "plain"}},
		{name: "binary", send: list(frame(fin|rsv1Bit|2, packed("\xff\xfe")), text("after"))},
		{name: "longest", send: list(frame(packedText, packed(stars(4096)))), texts: []string{stars(4096)}},
		{name: "bomb", send: list(frame(packedText, packed(stars(2_000_000)))), code: 1009},
		{name: "too long as it is", send: list(frame(packedText, stars(4096+packedSlack+1))), code: 1009},
		{name: "not compressed at all", send: list(frame(packedText, "\xff\xff\xff\xff")), code: 1007},
		{name: "cut off", send: list(frame(packedText, hello[:len(hello)-4])), code: 1007},
		{name: "not text", send: list(frame(packedText, packed("bad \xff"))), code: 1007},
		{name: "ends within a character", send: list(frame(packedText, packed("bad \xe2\x82"))), code: 1007},
		{name: "bit on a later fragment", send: list(frame(1, "a"), frame(fin|rsv1Bit, "b")), code: 1002},
		{name: "bit on a control frame", send: list(frame(fin|rsv1Bit|9, "a")), code: 1002},
		{name: "other bits", send: list(frame(fin|rsv1Bit|0x20|1, hello)), code: 1002},
	} {
		t.Run(test.name, func(t *testing.T) {
			session := attentive{texts: make(chan string, 10)}
			_, address := w.start(t, Options{
				Compression: true, Authenticate: granting(realtime.Grant{Extras: chime.ExtraTyping}),
				Hub: attachFunc(func(realtime.Grant, realtime.Transport) (Session, error) { return session, nil }),
			})
			p := offer(t, address)
			for _, bytes := range test.send {
				p.send(bytes...)
			}
			for _, want := range test.texts {
				select {
				case got := <-session.texts:
					if got != want {
						t.Errorf("got %.40q, want %.40q", got, want)
					}
				case <-time.After(patience):
					t.Fatalf("never got %.40q", want)
				}
			}
			if test.name == "fragments" {
				p.want(ws.OpPong, "between")
			}
			if test.code == 0 {
				test.code = 1000
				p.send(closeOf(1000, "")...)
			}
			p.wantClose(test.code)
		})
	}
}

// offer dials with the offer of compression, which has to be accepted.
func offer(t *testing.T, address string) *peer {
	t.Helper()
	p := dialRaw(t, address)
	p.send([]byte(upgradeRequest + testKey + "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")...)
	response, err := http.ReadResponse(p.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 101 || response.Header.Get("Sec-WebSocket-Extensions") == "" {
		t.Fatalf("answer %v", response)
	}
	return p
}

func TestTextFrameCompressed(t *testing.T) {
	for _, test := range []struct {
		text   string
		packed bool
	}{
		{strings.Repeat("x", minCompressed-1), false}, {strings.Repeat("x", minCompressed), true},
		{incompressible(1000), false},
	} {
		f := TextFrame([]byte(test.text), true)
		if got := f[0]&rsv1Bit != 0; got != test.packed {
			t.Errorf("%.20q...: compressed is %v", test.text, got)
		}
		if !test.packed && !bytes.Equal(f, TextFrame([]byte(test.text), false)) {
			t.Errorf("%.20q...: not the plain frame", test.text)
		}
	}
}

func incompressible(n int) string {
	var b strings.Builder
	for state := uint32(1); b.Len() < n; {
		state = state*1664525 + 1013904223
		b.WriteByte(byte(state >> 24))
	}
	return b.String()
}

// FuzzInflate: whatever comes, the limit holds and what was compressed comes back.
func FuzzInflate(f *testing.F) {
	f.Add("hello", "\xff\xff")
	f.Add(stars(5000), packed(stars(5000)))
	f.Fuzz(func(t *testing.T, text, garbage string) {
		const limit = 4096
		got, err := appendInflated(nil, []byte(packed(text)), limit)
		if len(text) <= limit && (err != nil || string(got) != text) {
			t.Errorf("%d bytes became %d, %v", len(text), len(got), err)
		}
		if len(text) > limit && (err == nil || err.Code != codeTooBig) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
		if got, err := appendInflated(nil, []byte(garbage), limit); err == nil && len(got) > limit {
			t.Errorf("%d bytes came out", len(got))
		}
	})
}

// FuzzCompressedFrames: however a stream is cut, the same texts come out of it, none too long.
func FuzzCompressedFrames(f *testing.F) {
	f.Add(frame(packedText, packed("hello")))
	f.Add(append(frame(rsv1Bit|1, packed("hello")[:2]), frame(fin, packed("hello")[2:])...))
	f.Add(append(text("plain"), frame(packedText, "\xff\xff")...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		read := func(size int) (texts []string, code int) {
			d := decoder{limit: 4096, texts: true, deflated: true}
			for rest := bytes.Clone(stream); len(rest) > 0; {
				n, op, payload, err := d.next(rest[:min(size, len(rest))])
				rest = rest[n:]
				if err != nil {
					return texts, err.Code
				}
				if op == ws.OpText {
					texts = append(texts, string(payload))
				}
			}
			return texts, 0
		}
		whole, code := read(len(stream))
		pieces, codeOfPieces := read(1)
		if code != codeOfPieces || !slices.Equal(whole, pieces) {
			t.Errorf("got %q, %d at once and %q, %d in pieces", whole, code, pieces, codeOfPieces)
		}
		for _, text := range whole {
			if len(text) > 4096 || !utf8.ValidString(text) {
				t.Errorf("a text of %d bytes came out", len(text))
			}
		}
	})
}
