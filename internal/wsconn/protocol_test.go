package wsconn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// protocolCase is what a client sends and what it must get. Numbers are those of the Autobahn
// test suite, for the part that a server meets which drops all data.
type protocolCase struct {
	name   string
	send   [][]byte
	octets bool     // each byte in a write of its own
	pongs  []string // expected
	// code of the expected close frame. When it is 0, the client must still be served: it gets
	// an event, closes with 1000 and gets 1000 back.
	code int
}

const noCode = -1 // a close frame without code

func TestProtocol(t *testing.T) { everyWay(t, testProtocol) }

func testProtocol(t *testing.T, w way) {
	hub := newFakeHub()
	_, address := w.start(t, Options{Hub: hub})
	for _, c := range protocolCases() {
		t.Run(c.name, func(t *testing.T) {
			p := dial(t, address)
			session := hub.session(t)
			for _, bytes := range c.send {
				if !c.octets {
					p.send(bytes...)
					continue
				}
				for _, b := range bytes {
					p.send(b)
				}
			}
			for _, payload := range c.pongs {
				p.want(ws.OpPong, payload)
			}
			switch c.code {
			case 0:
				session.push(TextFrame([]byte("still here"), false))
				p.want(ws.OpText, "still here")
				p.send(closeOf(1000, "")...)
				p.wantClose(1000)
			case noCode:
				p.wantClose(0)
			default:
				p.wantClose(c.code)
			}
			p.wantEOF()
			p.nc.Close()
			session.waitDetached(t)
		})
	}
}

func protocolCases() []protocolCase {
	cases := []protocolCase{
		{name: "1.1.1 text, empty", send: list(text(""))},
		{name: "1.1.2 text, 125 bytes", send: list(text(stars(125)))},
		{name: "1.1.3 text, 126 bytes", send: list(text(stars(126)))},
		{name: "1.1.4 text, 127 bytes", send: list(text(stars(127)))},
		{name: "1.1.5 text, 128 bytes", send: list(text(stars(128)))},
		{name: "1.1.6 text, 4096 bytes", send: list(text(stars(4096)))},
		{name: "1.1.8 text, 4096 bytes, octets", send: list(text(stars(4096))), octets: true},
		{name: "1.2.1 binary, empty", send: list(binaryFrame(""))},
		{name: "1.2.2 binary, 125 bytes", send: list(binaryFrame(strings.Repeat("\xfe", 125)))},
		{name: "1.2.3 binary, 126 bytes", send: list(binaryFrame(strings.Repeat("\xfe", 126)))},
		{name: "1.2.6 binary, 4096 bytes", send: list(binaryFrame(strings.Repeat("\xfe", 4096)))},

		{name: "2.1 ping, empty", send: list(ping("")), pongs: []string{""}},
		{name: "2.2 ping, text", send: list(ping("Hello, world!")), pongs: []string{"Hello, world!"}},
		{name: "2.3 ping, not text", send: list(ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")), pongs: []string{"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"}},
		{name: "2.4 ping, 125 bytes", send: list(ping(stars(125))), pongs: []string{stars(125)}},
		{name: "2.5 ping, 126 bytes", send: list(ping(stars(126))), code: 1002},
		{name: "2.6 ping, 125 bytes, octets", send: list(ping(stars(125))), octets: true, pongs: []string{stars(125)}},
		{name: "2.7 pong, empty, unasked", send: list(pong(""))},
		{name: "2.8 pong, unasked", send: list(pong("unasked"))},
		{name: "2.9 pong, then ping", send: list(pong("unasked"), ping("asked")), pongs: []string{"asked"}},
		{name: "2.10 ten pings", send: tenPings(), pongs: tenNames()},
		{name: "2.11 ten pings, octets", send: tenPings(), octets: true, pongs: tenNames()},

		{name: "3.1 reserved 1, text", send: list(frame(fin|0x10|1, stars(5))), code: 1002},
		{name: "3.2 reserved 2, after text and ping", send: list(text("ok"), ping("p"), frame(fin|0x20|1, "no")), pongs: []string{"p"}, code: 1002},
		{name: "3.3 reserved 3, text", send: list(frame(fin|0x30|1, "no")), code: 1002},
		{name: "3.4 reserved 4, octets", send: list(text("ok"), frame(fin|0x40|1, "no")), octets: true, code: 1002},
		{name: "3.5 reserved 5, binary", send: list(frame(fin|0x50|2, "no")), code: 1002},
		{name: "3.6 reserved 6, ping", send: list(frame(fin|0x60|9, "no")), code: 1002},
		{name: "3.7 reserved 7, close", send: list(frame(fin|0x70|8, "\x03\xe8")), code: 1002},

		{name: "5.1 ping in fragments", send: list(frame(9, "a"), frame(fin, "b")), code: 1002},
		{name: "5.2 pong in fragments", send: list(frame(10, "a"), frame(fin, "b")), code: 1002},
		{name: "5.3 text in two fragments", send: list(frame(1, "a"), frame(fin, "b"))},
		{name: "5.5 text in two fragments, octets", send: list(frame(1, "a"), frame(fin, "b")), octets: true},
		{name: "5.6 ping between fragments", send: list(frame(1, "a"), ping("p"), frame(fin, "b")), pongs: []string{"p"}},
		{name: "5.8 ping between fragments, octets", send: list(frame(1, "a"), ping("p"), frame(fin, "b")), octets: true, pongs: []string{"p"}},
		{name: "5.9 last fragment of nothing", send: list(frame(fin, "a"), text("b")), code: 1002},
		{name: "5.12 fragment of nothing", send: list(frame(0, "a"), text("b")), code: 1002},
		{name: "5.15 fragment after the last one", send: list(frame(1, "a"), frame(fin, "b"), frame(0, "c")), code: 1002},
		{name: "5.18 text within fragments", send: list(frame(1, "a"), text("b")), code: 1002},
		{name: "5.19 five fragments, pings between", send: list(frame(1, "a"), frame(0, "b"), ping("1"), frame(0, "c"), frame(0, "d"), ping("2"), frame(fin, "e")), pongs: []string{"1", "2"}},
		{name: "5.21 binary within fragments of text", send: list(frame(1, "a"), binaryFrame("b")), code: 1002},
		{name: "5.22 close between fragments", send: list(frame(1, "a"), closeOf(1000, "")), code: 1000},

		{name: "6.1.2 empty fragments", send: list(frame(1, ""), frame(0, ""), frame(fin, ""))},
		{name: "6.1.3 empty fragments around one", send: list(frame(1, ""), frame(0, "middle"), frame(fin, ""))},
		{name: "6.2.1 valid text", send: list(text("Hello-µ@ßöäüàá-UTF-8!!"))},
		{name: "6.2.2 cut between characters", send: list(frame(1, "Hello-µ@ßöä"), frame(fin, "üàá-UTF-8!!"))},
		{name: "6.2.3 a fragment for each byte", send: bytewise("Hello-µ@ßöäüàá-UTF-8!! 🎐")},
		{name: "6.2.4 valid text, octets", send: list(text("\U00010000 κόσμε \U0010ffff")), octets: true},
		{name: "6.3.1 invalid text", send: list(text("κόσμε\xed\xa0\x80edited")), code: 1007},
		{name: "6.3.2 invalid text, a fragment for each byte", send: bytewise("κόσμε\xed\xa0\x80edited")[:13], code: 1007},
		{name: "6.4.1 fails before the last fragment", send: list(frame(1, "κόσμε"), frame(0, "\xf4\x90\x80\x80")), code: 1007},
		{name: "6.4.3 fails before the frame ends", send: list(text("κόσμε\xf4\x90\x80\x80edited")[:6+15]), code: 1007},
		{name: "6.6.1 ends within a character", send: list(text("\xce")), code: 1007},
		{name: "6.6.7 ends within a character, fragments", send: list(frame(1, "κ\xe2"), frame(fin, "\x82")), code: 1007},
		{name: "6.8.1 lone continuation byte", send: list(text("\x80")), code: 1007},
		{name: "6.11.4 beyond the last character", send: list(text("\xf4\x90\x80\x80")), code: 1007},
		{name: "6.12.1 impossible byte fe", send: list(text("\xfe")), code: 1007},
		{name: "6.12.2 impossible byte ff", send: list(text("ok\xff")), code: 1007},
		{name: "6.18.1 overlong slash", send: list(text("\xc0\xaf")), code: 1007},
		{name: "6.20.1 surrogate", send: list(text("\xed\xa0\x80")), code: 1007},
		{name: "6.22.1 noncharacter is text", send: list(text("\xef\xbf\xbe"))},
		{name: "6.x binary need not be text", send: list(binaryFrame("\xff\xfe"), frame(2, "\xff"), frame(fin, "\xfe"))},

		{name: "7.1.2 two close frames", send: list(append(closeOf(1000, ""), closeOf(1001, "")...)), code: 1000},
		{name: "7.1.3 ping after close", send: list(append(closeOf(1000, ""), ping("late")...)), code: 1000},
		{name: "7.1.4 text after close", send: list(append(closeOf(1000, ""), text("late")...)), code: 1000},
		{name: "7.3.1 close without code", send: list(frame(fin|8, "")), code: noCode},
		{name: "7.3.2 half a code", send: list(frame(fin|8, "\x03")), code: 1002},
		{name: "7.3.3 code alone, octets", send: list(closeOf(1000, "")), octets: true, code: 1000},
		{name: "7.3.4 code and reason", send: list(closeOf(1000, "bye")), code: 1000},
		{name: "7.3.5 longest reason", send: list(closeOf(1000, stars(123))), code: 1000},
		{name: "7.3.6 reason too long", send: list(closeOf(1000, stars(124))), code: 1002},
		{name: "7.5.1 reason is not text", send: list(closeOf(1000, "κόσμε\xed\xa0\x80")), code: 1007},

		{name: "9.1 message too long", send: list(text(stars(4097))), code: 1009},
		{name: "9.2 length alone is enough", send: list([]byte{fin | 2, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}), code: 1009},
		{name: "9.3 length out of range", send: list([]byte{fin | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}), code: 1002},
		{name: "9.4 fragments too long together", send: list(frame(1, stars(4096)), frame(fin, "x")), code: 1009},
		{name: "9.5 full size in fragments", send: list(frame(1, stars(4095)), frame(fin, "x"), text(stars(4096)))},
		{name: "9.6 many messages", send: list([]byte(strings.Repeat(string(text(stars(4000))), 50)))},

		{name: "mask missing, text", send: list(TextFrame([]byte("plain"), false)), code: 1002},
		{name: "mask missing, ping", send: list([]byte{fin | 9, 0}), code: 1002},
		{name: "mask missing, close", send: list([]byte{fin | 8, 2, 3, 0xe8}), code: 1002},
		{name: "not a frame at all", send: list([]byte("GET / HTTP/1.1\r\n\r\n")), code: 1002},
	}
	for i, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases = append(cases, protocolCase{
			name: numbered("4", i+1, "opcode", int(op)), code: 1002,
			send: list(text("ok"), frame(fin|op, ""), ping("never answered")),
		})
	}
	for i, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4401, 4999} {
		cases = append(cases, protocolCase{name: numbered("7.7", i+1, "close", code), send: list(closeOf(code, "")), code: code})
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, protocolCase{name: numbered("7.9", i+1, "close", code), send: list(closeOf(code, "")), code: 1002})
	}
	return cases
}

func list(frames ...[]byte) [][]byte { return frames }

func stars(n int) string { return strings.Repeat("*", n) }

func numbered(section string, i int, what string, value int) string {
	return fmt.Sprintf("%s.%d %s %d", section, i, what, value)
}

func tenNames() []string {
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprintf("payload-%d", i))
	}
	return names
}

func tenPings() [][]byte {
	var pings [][]byte
	for _, name := range tenNames() {
		pings = append(pings, ping(name))
	}
	return pings
}

// bytewise makes a message with a fragment for each byte.
func bytewise(s string) [][]byte {
	var fragments [][]byte
	for i := range len(s) {
		first := byte(0)
		if i == 0 {
			first = 1
		}
		if i == len(s)-1 {
			first |= fin
		}
		fragments = append(fragments, frame(first, s[i:i+1]))
	}
	return fragments
}
