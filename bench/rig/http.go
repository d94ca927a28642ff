//go:build linux

package rig

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// HTTPConn is a keep-alive connection that costs the generator next to nothing: requests are
// written as they were prepared, of answers only status and length are read.
type HTTPConn struct {
	net.Conn
	buf  []byte
	fill int // bytes in buf that belong to the next answer
}

// LongestAnswer has room for a page of the messages that the load sends.
const LongestAnswer = 128 << 10

// DialHTTP opens a connection for requests.
func DialHTTP(addr string) (*HTTPConn, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &HTTPConn{Conn: conn, buf: make([]byte, LongestAnswer)}, nil
}

// Send writes a request.
func (c *HTTPConn) Send(r *http.Request) error {
	request, err := Wire(r)
	if err == nil {
		_, err = c.Write(request)
	}
	return err
}

// Answer waits for an answer and fails unless its status is of the 200s.
func (c *HTTPConn) Answer() error {
	_, err := c.body(false)
	return err
}

// Body waits for an answer as Answer does and returns its body.
func (c *HTTPConn) Body() ([]byte, error) { return c.body(true) }

func (c *HTTPConn) body(wanted bool) ([]byte, error) {
	for {
		body, whole, err := parseAnswer(c.buf[:c.fill], wanted)
		if whole > 0 || err != nil {
			c.fill = copy(c.buf, c.buf[whole:c.fill])
			return body, err
		}
		if c.fill == len(c.buf) {
			return nil, errors.New("the answer is too long")
		}
		n, err := c.Read(c.buf[c.fill:])
		if err != nil {
			return nil, err
		}
		c.fill += n
	}
}

// parseAnswer reads the answer that b begins with, with a copy of its body when that is wanted. Its
// whole length is 0 when it is not all there. A status other than the 200s is an error.
func parseAnswer(b []byte, wanted bool) (body []byte, whole int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0, nil
	}
	status, length, err := parseHead(b[:end+2])
	if err != nil {
		return nil, 0, err
	}

	// The body is whole, or more of it has to be read.
	sent, pieces := b[end+4:], length == chunked
	if pieces {
		length = chunks(sent, nil)
	}
	if length < 0 || len(sent) < length {
		return nil, 0, nil
	}
	whole, sent = end+4+length, sent[:length]

	switch {
	case status/100 != 2:
		return nil, whole, fmt.Errorf("status %d: %s", status, sent)
	case wanted && pieces:
		chunks(sent, func(piece []byte) { body = append(body, piece...) })
	case wanted:
		body = bytes.Clone(sent)
	}
	return body, whole, nil
}

// chunked is the length of a body that says it in pieces.
const chunked = -1

// chunks calls each, unless it is nil, for the pieces of a chunked body without trailers, and returns
// the length of all, -1 when it is not whole or no such body.
func chunks(b []byte, each func([]byte)) (whole int) {
	for {
		line, rest, found := bytes.Cut(b[whole:], []byte("\r\n"))
		size, err := strconv.ParseUint(string(line), 16, 31)
		if !found || err != nil || len(rest) < int(size)+2 {
			return -1
		}
		whole += len(line) + 2 + int(size) + 2
		if size == 0 {
			return whole
		}
		if each != nil {
			each(rest[:size])
		}
	}
}

// parseHead reads status and length of an answer, or chunked for its length, from its head, whose lines end in CRLF.
func parseHead(head []byte) (status, length int, err error) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, 0, fmt.Errorf("no answer of HTTP/1.1: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, fmt.Errorf("no status: %q", line)
	}
	const name = "Content-Length: "
	at := bytes.Index(rest, []byte(name))
	if at < 0 {
		if status == http.StatusSwitchingProtocols || status == http.StatusNoContent {
			return status, 0, nil
		}
		if bytes.Contains(rest, []byte("Transfer-Encoding: chunked")) {
			return status, chunked, nil
		}
		return 0, 0, errors.New("the answer has no Content-Length")
	}
	value, _, _ := bytes.Cut(rest[at+len(name):], []byte("\r\n"))
	if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
		return 0, 0, fmt.Errorf("the Content-Length is %q", value)
	}
	return status, length, nil
}

// Wire is a request as it goes over the connection.
func Wire(r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(1500)
	err := r.Write(&b)
	return b.Bytes(), err
}

// Switched waits for the answer 101; what follows it stays in buf.
func (c *HTTPConn) Switched() error {
	for {
		if end := bytes.Index(c.buf[:c.fill], []byte("\r\n\r\n")); end >= 0 {
			status, _, err := parseHead(c.buf[:end+2])
			if err == nil && status != http.StatusSwitchingProtocols {
				err = &StatusError{Status: status}
			}
			c.fill = copy(c.buf, c.buf[end+4:c.fill])
			return err
		}
		n, err := c.Read(c.buf[c.fill:])
		if err != nil {
			return err
		}
		c.fill += n
	}
}

// StatusError is an answer other than 101.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("status %d instead of 101", e.Status) }
