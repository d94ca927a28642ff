package fastpath

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// head is the head of a plain request. It keeps what the head before it had, because the requests of
// one client resemble each other: a name, value or target that is the same again is neither copied
// nor parsed. Its strings are copies of their own, so that one that is kept keeps nothing else.
type head struct {
	method string
	target string
	url    url.URL // of target
	host   string
	length int64 // of the body, 0 without a Content-Length

	requestLine    bool // has been taken
	upgrades       bool // the client asks for a WebSocket
	hosts, lengths int  // fields of these names
	fields         []field
	n              int // fields[:n] are of this head
	header         http.Header
	values         []string // those of header, in the order of fields
}

// field is one line of a head.
type field struct {
	name  string // as it was sent
	key   string // its canonical form
	value string
}

// mostFields bounds the fields of a plain head, and with them what a connection holds between two
// requests. Clients of AWS and browsers send ten to thirty.
const mostFields = 64

// methods are those of plain requests. HEAD is not, because its answers have rules of their own.
var methods = [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch}

// cutLine finds the first line of b. A line that ends without a CR is nil.
func cutLine(b []byte) (line []byte, size int, found bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return nil, 0, false
	}
	if end == 0 || b[end-1] != '\r' {
		return nil, end + 1, true
	}
	return b[:end-1], end + 1, true
}

// begin forgets what a new head must not take from the one before it.
func (h *head) begin() {
	h.method, h.requestLine, h.upgrades = "", false, false
	h.hosts, h.lengths, h.length, h.n = 0, 0, 0, 0
}

// take takes the next line, which may be the empty one at the end. It reports whether the line is
// plain.
func (h *head) take(line []byte) bool {
	switch {
	case !h.requestLine:
		h.requestLine = true
		return h.takeRequestLine(line)
	case len(line) == 0:
		return true
	}
	return h.takeField(line)
}

// takeRequestLine is for "POST /path HTTP/1.1".
func (h *head) takeRequestLine(line []byte) bool {
	method, rest, _ := bytes.Cut(line, []byte{' '})
	target, isCurrent := bytes.CutSuffix(rest, []byte(" HTTP/1.1"))
	if !isCurrent || len(target) == 0 || target[0] != '/' {
		return false
	}
	for _, m := range methods {
		if string(method) == m {
			h.method = m
		}
	}
	if h.method == "" {
		return false
	}

	if h.target == string(target) {
		return true
	}
	for _, c := range target {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	text := string(target)
	u, err := url.ParseRequestURI(text)
	if err != nil {
		return false
	}
	h.target, h.url = text, *u
	return true
}

// takeField is for "Name: value". Spaces and tabs around a value are not part of it.
func (h *head) takeField(line []byte) bool {
	name, value, found := bytes.Cut(line, []byte{':'})
	value = bytes.Trim(value, " \t")
	if !found || len(name) == 0 || h.n == mostFields {
		return false
	}
	if h.n == len(h.fields) {
		h.fields = append(h.fields, field{})
	}

	// What is equal to the field at this place in the head before was checked then.
	f := &h.fields[h.n]
	if f.name != string(name) {
		if !isToken(name) {
			return false
		}
		f.name = string(name)
		f.key = http.CanonicalHeaderKey(f.name)
	}
	if f.value != string(value) {
		if !isText(value) {
			return false
		}
		f.value = string(value)
	}
	h.n++
	return h.check(f)
}

// check looks at the fields that decide how a request is read.
func (h *head) check(f *field) bool {
	switch f.key {
	case "Host":
		h.host = f.value
		h.hosts++
		return h.hosts == 1 && isHost(f.value)
	case "Content-Length":
		length, err := strconv.ParseInt(f.value, 10, 64)
		h.length = length
		h.lengths++
		return h.lengths == 1 && err == nil && isDigits(f.value)
	case "Connection":
		return staysOpen(f.value)
	case "Upgrade":
		h.upgrades = true
		return strings.EqualFold(f.value, "websocket")
	case "Transfer-Encoding", "Trailer", "Expect", "Pragma":
		return false // Pragma makes net/http add a Cache-Control
	}
	return true
}

// staysOpen reports whether a Connection field has nothing but keep-alive and Upgrade.
func staysOpen(value string) bool {
	for word := range strings.SplitSeq(value, ",") {
		word = strings.Trim(word, " \t")
		if !strings.EqualFold(word, "keep-alive") && !strings.EqualFold(word, "upgrade") {
			return false
		}
	}
	return true
}

// finish makes the header of a head whose lines are plain. It reports whether the head as a whole is.
func (h *head) finish() bool {
	if h.hosts != 1 || h.upgrades && (h.method != http.MethodGet || h.lengths > 0) {
		return false
	}
	if h.header == nil {
		h.header = make(http.Header, h.n)
	}
	clear(h.header)
	if len(h.values) < h.n {
		h.values = make([]string, h.n)
	}

	for i := range h.fields[:h.n] {
		f := &h.fields[i]
		if f.key == "Host" {
			continue // net/http keeps it in Request.Host alone
		}
		h.values[i] = f.value
		if before := h.header[f.key]; before != nil {
			h.header[f.key] = append(before, f.value)
		} else {
			h.header[f.key] = h.values[i : i+1 : i+1]
		}
	}
	return true
}

// forget drops what is only of this connection. Names are those of any client.
func (h *head) forget() {
	h.method, h.target, h.url, h.host = "", "", url.URL{}, ""
	for i := range h.fields {
		h.fields[i].value = ""
	}
	clear(h.header)
	clear(h.values)
}

// isToken reports whether every byte may be part of a field's name (RFC 9110, 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}

// isText reports whether every byte may be part of a field's value (RFC 9110, 5.5).
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isHost reports whether a value is made of what names, addresses and ports have. net/http
// accepts more.
func isHost(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && strings.IndexByte("-._:[]", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
