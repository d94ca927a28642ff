package wsconn

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rfcCase is a case of testdata/rfc6455, whose README explains the words.
type rfcCase struct {
	file, name  string
	compression bool
	listening   bool
	early       bool // the first frames go with the request
	request     string
	header      [][2]string
	steps       []rfcStep
}

// rfcStep is what the client sends, what the hub does or what the client must get: the verb is
// "send", "hub text", "-> pong" and so on.
type rfcStep struct {
	where, verb string
	bytes       []byte // to send
	closes      bool   // they begin with a close frame
	code        int
	payload     string
	answer      [2]string // a header of the answer
}

// rfcCases reads all files.
func rfcCases(t testing.TB) []rfcCase {
	t.Helper()
	files, err := filepath.Glob("testdata/rfc6455/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	var cases []rfcCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			where := fmt.Sprintf("%s:%d", filepath.Base(file), i+1)
			switch name, begins := strings.CutPrefix(line, "== "); {
			case line == "" || line[0] == '#':
			case begins:
				if slices.ContainsFunc(cases, func(c rfcCase) bool { return number(c.name) == number(name) }) {
					t.Fatalf("%s: the number is taken", where)
				}
				cases = append(cases, newRFCCase(filepath.Base(file), name))
			case len(cases) == 0:
				t.Fatalf("%s: a case begins with ==", where)
			default:
				if err := cases[len(cases)-1].line(where, line); err != nil {
					t.Fatalf("%s: %v", where, err)
				}
			}
		}
	}
	return cases
}

func number(name string) string { n, _, _ := strings.Cut(name, " "); return n }

func newRFCCase(file, name string) rfcCase {
	return rfcCase{
		file: file, name: name, request: "GET /connect HTTP/1.1",
		header: [][2]string{{"Host", "localhost"}, {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", testKey}},
	}
}

const extensions = "Sec-Websocket-Extensions"

// line reads one line of a case.
func (c *rfcCase) line(where, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	name, value, _ := strings.Cut(rest, ":")
	value = strings.TrimSpace(value)
	is := func(h [2]string) bool { return strings.EqualFold(h[0], name) }
	switch word {
	case "agreed":
		c.compression = true
		c.header = append(c.header, [2]string{extensions, "permessage-deflate"})
		c.steps = append(c.steps, rfcStep{verb: "-> answer", answer: [2]string{
			extensions, "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		}})
	case "compression":
		c.compression = true
	case "listening":
		c.listening = true
	case "early":
		c.early = true
	case "request":
		c.request = rest
	case "without":
		c.header = slices.DeleteFunc(c.header, is)
	case "header":
		c.header = append(slices.DeleteFunc(c.header, is), [2]string{name, value})
	case "also":
		c.header = append(c.header, [2]string{name, value})
	default:
		step, err := rfcStepOf(word, rest)
		step.where = where
		c.steps = append(c.steps, step)
		return err
	}
	return nil
}

func rfcStepOf(word, rest string) (s rfcStep, err error) {
	s.verb = word
	if word != "->" && word != "hub" {
		s.verb, s.closes = "send", strings.HasPrefix(word, "close")
		s.bytes, err = rfcBytes(word, rest)
		return s, err
	}
	kind, rest, _ := strings.Cut(rest, " ")
	s.verb += " " + kind
	switch kind {
	case "close", "status":
		code, reason, _ := strings.Cut(rest, " ")
		if rest = reason; code != "none" {
			s.code, err = strconv.Atoi(code)
		}
	case "answer":
		name, value, _ := strings.Cut(rest, ":")
		s.answer, rest = [2]string{name, strings.TrimSpace(value)}, ""
	case "text", "deflated", "heard", "pong", "alive":
	default:
		return s, fmt.Errorf("there is no %q", s.verb)
	}
	if err == nil {
		s.payload, err = rfcText(rest)
	}
	return s, err
}

// rfcText joins strings as Go writes them, each maybe repeated.
func rfcText(words string) (string, error) {
	var all strings.Builder
	for words = strings.TrimSpace(words); words != ""; words = strings.TrimSpace(words) {
		times := 1
		if n, rest, repeated := strings.Cut(words, "*\""); repeated && !strings.Contains(n, `"`) {
			var err error
			if times, err = strconv.Atoi(n); err != nil {
				return "", err
			}
			words = `"` + rest
		}
		quoted, err := strconv.QuotedPrefix(words)
		if err != nil {
			return "", fmt.Errorf("%s: %w", words, err)
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return "", err
		}
		all.WriteString(strings.Repeat(text, times))
		words = words[len(quoted):]
	}
	return all.String(), nil
}

// rfcBytes is what a line of a sender puts on the wire.
func rfcBytes(word, rest string) ([]byte, error) {
	switch word {
	case "raw":
		text, err := rfcText(rest)
		return []byte(text), err
	case "each":
		word, rest, _ = strings.Cut(rest, " ")
		f, err := rfcFrame(word, rest)
		if err != nil {
			return nil, err
		}
		return f.octetwise()
	}
	f, err := rfcFrame(word, rest)
	if err != nil {
		return nil, err
	}
	return f.wire()
}

// rfcFrame reads a frame's line.
func rfcFrame(word, rest string) (*rfcSent, error) {
	f := &rfcSent{op: word, mask: [4]byte{0x37, 0xfa, 0x21, 0x3d}, masked: true, cut: -1}
	words := strings.TrimSpace(rest)
	for words != "" {
		first, others, _ := strings.Cut(words, " ")
		if !f.option(first) {
			break
		}
		words = strings.TrimSpace(others)
	}
	code := ""
	if first, others, _ := strings.Cut(words, " "); strings.HasPrefix(word, "close") && !strings.Contains(first, `"`) {
		n, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return nil, err
		}
		code, words = string([]byte{byte(n >> 8), byte(n)}), others
	}
	text, err := rfcText(words)
	if err != nil {
		return nil, err
	}
	f.payload = code + text
	return f, nil
}

// rfcSent is a frame that a client sends, right or wrong.
type rfcSent struct {
	op      string
	rsv     byte
	masked  bool
	mask    [4]byte
	form    int    // octets of the length beyond the first: 0, 2 or 8 if wanted is set
	wanted  bool   // that form even if another were right
	says    string // the length in the header, if not the payload's
	cut     int    // octets of the payload that are sent, if not negative
	deflate string
	payload string
}

// option takes a word between name and payload. It reports false when it is none.
func (f *rfcSent) option(word string) bool {
	name, value, _ := strings.Cut(word, "=")
	switch name {
	case "rsv1", "rsv2", "rsv3":
		f.rsv |= 0x40 >> (name[3] - '1')
	case "unmasked":
		f.masked = false
	case "mask":
		n, err := hex.Decode(f.mask[:], []byte(value))
		return n == 4 && err == nil
	case "len7", "len16", "len64":
		f.form, f.wanted = map[string]int{"len7": 0, "len16": 2, "len64": 8}[name], true
	case "says":
		f.says = value
	case "cut":
		n, err := strconv.Atoi(value)
		f.cut = n
		return err == nil
	case "deflate", "deflate-final":
		f.deflate = name
	default:
		return false
	}
	return true
}

var rfcOps = []string{0: "cont", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong", 15: ""}

func (f *rfcSent) wire() ([]byte, error) {
	name, more := strings.CutSuffix(f.op, "+")
	op := slices.Index(rfcOps, cmp.Or(name, "none"))
	if n, ok := strings.CutPrefix(name, "op"); ok {
		op, _ = strconv.Atoi(n)
	}
	if op < 0 || op > 15 {
		return nil, fmt.Errorf("there is no frame %q", f.op)
	}
	payload, err := f.body()
	length := uint64(len(payload))
	if err == nil && f.says != "" {
		length, err = strconv.ParseUint(f.says, 10, 64)
	}
	if err != nil {
		return nil, err
	}
	first := f.rsv | byte(op)
	if !more {
		first |= 0x80
	}
	wire := f.appendLength([]byte{first}, length)
	if f.masked {
		wire[1] |= 0x80
		wire = append(wire, f.mask[:]...)
		for i := range payload {
			payload[i] ^= f.mask[i%4]
		}
	}
	if f.cut >= 0 && f.cut < len(payload) {
		payload = payload[:f.cut]
	}
	return append(wire, payload...), nil
}

// octetwise makes a frame of each octet of the payload.
func (f *rfcSent) octetwise() (all []byte, err error) {
	body, err := f.body()
	for i := range body {
		one := *f
		one.deflate, one.payload, one.mask[0] = "", string(body[i:i+1]), byte(i)
		if i > 0 {
			one.op, one.rsv = "cont", 0
		}
		if i < len(body)-1 {
			one.op += "+"
		}
		wire, err := one.wire()
		if err != nil {
			return nil, err
		}
		all = append(all, wire...)
	}
	return all, err
}

func (f *rfcSent) appendLength(wire []byte, length uint64) []byte {
	form := f.form
	if !f.wanted && length > 65535 {
		form = 8
	} else if !f.wanted && length > 125 {
		form = 2
	}
	switch form {
	case 0:
		return append(wire, byte(length))
	case 2:
		return binary.BigEndian.AppendUint16(append(wire, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(wire, 127), length)
	}
}

// body is the payload before the mask. RFC 7692 section 7.2.1 says how it is compressed.
func (f *rfcSent) body() ([]byte, error) {
	if f.deflate == "" {
		return []byte(f.payload), nil
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write([]byte(f.payload)); err == nil {
		err = w.Flush()
	}
	if f.deflate == "deflate-final" && err == nil { // an empty octet follows a last block (section 7.2.3.4)
		out.Reset()
		w.Reset(&out)
		_, _ = w.Write([]byte(f.payload))
		err = w.Close()
		return append(out.Bytes(), 0), err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{0, 0, 0xff, 0xff}), err
}
