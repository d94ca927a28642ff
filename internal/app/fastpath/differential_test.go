package fastpath_test

import (
	"bytes"
	"strings"
	"testing"
)

// pieces cuts the input where the text has a "|".
func pieces(text string) (cut [][]byte) {
	for piece := range strings.SplitSeq(text, "|") {
		cut = append(cut, []byte(piece))
	}
	return cut
}

const post = "POST /channels/a%2Fb?x=1 HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"

// cases are inputs by name. Those of plain are answered without net/http, all others with it.
var plainCases = map[string]string{
	"a POST":                     post,
	"a GET":                      "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	"two":                        post + "|" + post,
	"pipelined":                  post + post + "GET /x HTTP/1.1\r\nHost: h\r\n\r\n",
	"pipelined, in odd pieces":   post + post[:20] + "|" + post[20:] + post[:90] + "|" + post[90:],
	"byte by byte":               strings.Join(strings.Split(post, ""), "|"),
	"head and body apart":        strings.Replace(post, "{}", "|{}", 1),
	"half a body":                strings.Replace(post, "{}", "{", 1),
	"breaks behind a POST":       post + "\r\n\r\n" + post,
	"breaks that come late":      post + "|\r\n|\r\n" + post,
	"keep-alive":                 "GET / HTTP/1.1\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n",
	"no length":                  "POST / HTTP/1.1\r\nHost: h\r\n\r\n",
	"a GET with a body":          "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
	"length zero":                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n" + post,
	"length with zeros":          "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0002\r\n\r\n{}" + post,
	"two slashes":                "GET //host/path HTTP/1.1\r\nHost: h\r\n\r\n",
	"percent-encoding":           "GET /%41%2f%2F/a%20b HTTP/1.1\r\nHost: h\r\n\r\n",
	"dots":                       "GET /../a/./b HTTP/1.1\r\nHost: h\r\n\r\n",
	"empty query":                "GET /? HTTP/1.1\r\nHost: h\r\n\r\n",
	"two question marks":         "GET /a?b?c=%zz HTTP/1.1\r\nHost: h\r\n\r\n",
	"a fragment":                 "GET /a#b?c HTTP/1.1\r\nHost: h\r\n\r\n",
	"the target again":           "GET /a HTTP/1.1\r\nHost: h\r\n\r\n|GET /a HTTP/1.1\r\nHost: h\r\n\r\n|GET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"names in any case":          "GET / HTTP/1.1\r\nhOST: h\r\naCCEPT-eNCODING: x\r\nx_under_score: 1\r\n\r\n",
	"values with spaces":         "GET / HTTP/1.1\r\nHost: \t h \t\r\nA:\r\nB: \r\nC:x\r\nD: a  b\t\r\n\r\n",
	"values beyond ASCII":        "GET / HTTP/1.1\r\nHost: h\r\nA: \xc3\xa9\xff\r\n\r\n",
	"a field twice":              "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\na: 3\r\nA: 4\r\n\r\n",
	"other fields the next time": "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\n\r\n|GET / HTTP/1.1\r\nHost: i\r\nB: 1\r\n\r\n|GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n",
	"a long body":                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("123456789", 500) + "|" + strings.Repeat("123456789", 500) + post,
	"a body too long to drop":    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 400000\r\n\r\n" + strings.Repeat("1234567890", 3000),
	"a body just too long":       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 262144\r\n\r\n" + strings.Repeat("12345678", 32768) + post,
	"a preflight":                "OPTIONS /channels HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\nAccess-Control-Request-Method: POST\r\n\r\n",
	"one more byte":              post + "x",
	"three more bytes":           post + "GET",
	"a break and an end":         post + "\r\nx",
	"no bytes":                   "",
	"an upgrade":                 upgrade,
	"an upgrade of Firefox":      "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
	"an upgrade, and a request":  upgrade + post,
	"Upgrade alone":              "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
	"Connection: Upgrade alone":  "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\r\n",
}

const upgrade = "GET /connect?a=b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"

var otherCases = map[string]string{
	// Two ideas of where a request ends.
	"CL.TE":                       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + post,
	"TE.CL":                       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n" + post,
	"chunked":                     "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + post,
	"xchunked":                    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	"chunked twice":               "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
	"chunked and identity":        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
	"Transfer-Encoding, a space":  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}",
	"Transfer-Encoding, a tab":    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
	"Transfer-Encoding, folded":   "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
	"lengths that differ":         "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + post,
	"lengths that agree":          "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + post,
	"lengths in one field":        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2, 2\r\n\r\n{}",
	"a length with a sign":        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +2\r\n\r\n{}",
	"a negative length":           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -2\r\n\r\n{}",
	"a hexadecimal length":        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x2\r\n\r\n{}",
	"an empty length":             "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n{}",
	"a length beyond all numbers": "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
	"a length with a space":       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2 2\r\n\r\n{}",
	"a length, a space":           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 2\r\n\r\n{}",
	"a length with an underscore": "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1_0\r\n\r\n0123456789",
	"trailers":                    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n0\r\nA: b\r\n\r\n",
	"a Trailer alone":             "POST / HTTP/1.1\r\nHost: h\r\nTrailer: A\r\nContent-Length: 2\r\n\r\n{}",

	// Lines.
	"bare line feeds":             "GET / HTTP/1.1\nHost: h\n\n",
	"one bare line feed":          "GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
	"a bare line feed at the end": "GET / HTTP/1.1\r\nHost: h\r\n\n",
	"a bare carriage return":      "GET / HTTP/1.1\r\nHost: h\r\nA: b\rContent-Length: 2\r\n\r\n{}",
	"two carriage returns":        "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n",
	"folded":                      "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
	"folded at first":             "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
	"a line of spaces":            "GET / HTTP/1.1\r\nHost: h\r\n \r\n\r\n",
	"NUL in a value":              "GET / HTTP/1.1\r\nHost: h\r\nA: b\x00c\r\n\r\n",
	"NUL in a name":               "GET / HTTP/1.1\r\nHost: h\r\nA\x00: b\r\n\r\n",
	"DEL in a value":              "GET / HTTP/1.1\r\nHost: h\r\nA: \x7f\r\n\r\n",
	"no colon":                    "GET / HTTP/1.1\r\nHost: h\r\nA\r\n\r\n",
	"no name":                     "GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n",
	"a name with a space":         "GET / HTTP/1.1\r\nHost: h\r\nA b: c\r\n\r\n",
	"a name with a comma":         "GET / HTTP/1.1\r\nHost: h\r\nA,b: c\r\n\r\n",
	"breaks before a GET":         "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
	"breaks behind a GET":         "GET / HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
	"five breaks behind a POST":   post + "\r\n\r\n\r\n" + post,
	"a head that is too long":     "GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("b", 4096) + "\r\n\r\n" + post,
	"a long target":               "GET /" + strings.Repeat("b", 5000) + " HTTP/1.1\r\nHost: h\r\n\r\n",
	"far too long":                "GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("b", 1200000),
	"many fields":                 "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("A: b\r\n", 1000) + "\r\n",

	// Request lines.
	"garbage":                 "garbage\r\n",
	"no version":              "GET /\r\nHost: h\r\n\r\n",
	"HTTP/1.0":                "GET / HTTP/1.0\r\n\r\n",
	"HTTP/1.0, keep-alive":    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
	"HTTP/1.2":                "GET / HTTP/1.2\r\nHost: h\r\n\r\n",
	"HTTP/2.0":                "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
	"the preface of HTTP/2":   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"an upgrade to HTTP/2":    "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
	"a lower-case version":    "GET / http/1.1\r\nHost: h\r\n\r\n",
	"a longer version":        "GET / HTTP/1.10\r\nHost: h\r\n\r\n",
	"a space behind":          "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
	"two spaces":              "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
	"a space in the target":   "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
	"a tab":                   "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n",
	"a whole URL":             "GET http://other/a HTTP/1.1\r\nHost: h\r\n\r\n",
	"a whole URL with a user": "GET http://user:word@other/a HTTP/1.1\r\nHost: h\r\n\r\n",
	"an authority":            "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
	"a star":                  "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
	"no slash":                "GET a HTTP/1.1\r\nHost: h\r\n\r\n",
	"no target":               "GET  HTTP/1.1\r\nHost: h\r\n\r\n",
	"a broken escape":         "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
	"bytes beyond ASCII":      "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n",
	"control characters":      "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
	"HEAD":                    "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
	"TRACE":                   "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n",
	"a method of its own":     "FROB / HTTP/1.1\r\nHost: h\r\n\r\n",
	"a method in lower case":  "get / HTTP/1.1\r\nHost: h\r\n\r\n",
	"no method":               " / HTTP/1.1\r\nHost: h\r\n\r\n",
	"a broken method":         "G(T / HTTP/1.1\r\nHost: h\r\n\r\n",
	"TLS":                     "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",

	// Hosts.
	"no Host":             "GET / HTTP/1.1\r\n\r\n",
	"an empty Host":       "GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"two Hosts":           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"the same Host twice": "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
	"a Host with a user":  "GET / HTTP/1.1\r\nHost: user@h\r\n\r\n",
	"a Host with a path":  "GET / HTTP/1.1\r\nHost: h/path\r\n\r\n",
	"a Host with a comma": "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
	"Host, a space":       "GET / HTTP/1.1\r\nHost : h\r\n\r\n",

	// Connections.
	"Connection: close":             "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + post,
	"Connection: close, keep-alive": "GET / HTTP/1.1\r\nHost: h\r\nConnection: close, keep-alive\r\n\r\n" + post,
	"Connection twice":              "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n" + post,
	"Connection: Content-Length":    "POST / HTTP/1.1\r\nHost: h\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\n{}" + post,
	"an upgrade, and frames":        upgrade + "frames|more",
	"an upgrade behind a POST":      post + upgrade + "frames",
	"an upgrade with a body":        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n{}" + post,
	"an upgrade with a POST":        "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + post,
	"an upgrade that closes":        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n" + post,
	"an upgrade to two":             "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
	"Expect: 100-continue":          "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n|{}" + post,
	"Expect: else":                  "POST / HTTP/1.1\r\nHost: h\r\nExpect: else\r\nContent-Length: 2\r\n\r\n{}",
	"Pragma: no-cache":              "GET / HTTP/1.1\r\nHost: h\r\nPragma: no-cache\r\n\r\n",
	"half a head":                   "GET / HTTP/1.1\r\nHost: h\r\n",
	"half a request line":           "GET / HT",

	// What comes behind plain requests.
	"chunked behind a POST":        post + "|" + "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + post,
	"breaks and garbage":           post + "\r\ngarbage\r\n\r\n",
	"garbage behind a POST":        post + "garbage\r\n\r\n",
	"a body longer than announced": post + "more" + post,
	"half a head behind a POST":    post + "GET / HTTP/1.1\r\nHost",
	"two breaks and an end":        post + "\r\nxy",
}

// Each input is answered as net/http answers it, whatever the handler does; the cases of smuggling
// among them.
func TestNothingTellsTheFastPathFromNetHTTP(t *testing.T) {
	for _, table := range []struct {
		cases  map[string]string
		handed bool
		stride int // of what the handler does: net/http itself does not depend on it
	}{{plainCases, false, 1}, {otherCases, true, 7}} {
		for name, text := range table.cases {
			t.Run(name, func(t *testing.T) {
				for step := 0; step < len(readings)*len(answers) && !t.Failed(); step += table.stride {
					handed, answered := compare(t, pieces(text), []byte{byte(step), 0, byte(step)})
					if step == 0 && handed != table.handed {
						t.Errorf("handed over: %v; answered %q", handed, answered)
					}
					if t.Failed() {
						t.Logf("reading %d, answer %d", step%len(readings), step/len(readings))
					}
				}
			})
		}
	}
}

// FuzzNothingTellsTheFastPathFromNetHTTP cuts the input after as many bytes as cuts say, and has the
// handler follow the plan.
func FuzzNothingTellsTheFastPathFromNetHTTP(f *testing.F) {
	for _, cases := range []map[string]string{plainCases, otherCases} {
		for _, text := range cases {
			if len(text) > 10000 {
				continue
			}
			f.Add([]byte(strings.ReplaceAll(text, "|", "")), []byte{}, []byte{0})
			f.Add([]byte(strings.ReplaceAll(text, "|", "")), []byte{15, 30}, []byte{1, 16})
		}
	}
	for step := range len(readings) * len(answers) {
		f.Add([]byte(post+post), []byte{}, []byte{byte(step)})
	}
	f.Fuzz(func(t *testing.T, input, cuts, plan []byte) {
		var cut [][]byte
		for _, n := range cuts {
			if n := int(n); n > 0 && n < len(input) {
				cut = append(cut, input[:n])
				input = input[n:]
			}
		}
		compare(t, append(cut, bytes.Clone(input)), plan)
	})
}
