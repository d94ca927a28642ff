package fastpath

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// sniffed is how much of a body without a length is waited for, in bytes, before it is sent in
	// chunks. It is net/http's.
	sniffed = 2 << 10
	// mostJoined bounds what is written at once, in bytes. A longer piece is not copied.
	mostJoined = 64 << 10
)

// response is the ResponseWriter of a handler. A body goes from Write to small, which joins little
// pieces, to sendChunk, to out and in one piece to the connection.
type response struct {
	exchange *exchange
	conn     *conn
	now      time.Time // when the head of the request was read

	ownDeadline bool // the handler has set one for writes

	header   http.Header
	snapshot []line // header when its status was written
	status   int    // 0 until it is written
	length   int64  // of the body as the handler announced it, or -1
	written  int64  // bytes of the body

	small    *bufio.Writer
	out      []byte // to be written to the connection
	headSent bool   // the head is in out, or was
	chunked  bool
	done     bool  // the handler has returned
	err      error // of the connection

	closing     bool // the connection ends with this answer
	refusedBody bool // because too much of the body was left
}

// line is one line of an answer's head. A field without a value is not sent, but counts as there.
type line struct {
	key, value string
	empty      bool
}

// init is called once.
func (w *response) init(x *exchange) {
	w.exchange = x
	w.header = http.Header{}
	w.small = bufio.NewWriterSize(chunks{w: w}, sniffed)
}

func (w *response) begin(c *conn, now time.Time) {
	w.conn, w.now, w.length = c, now, -1
}

// release makes the response as init left it.
func (w *response) release() {
	w.small.Reset(chunks{w: w})
	clear(w.header)
	clear(w.snapshot)
	if cap(w.out) > mostJoined {
		w.out = nil
	}
	*w = response{exchange: w.exchange, header: w.header, snapshot: w.snapshot[:0], small: w.small, out: w.out[:0]}
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. A second status is dropped, and so are informational
// ones.
func (w *response) WriteHeader(status int) {
	switch {
	case w.status != 0:
		w.conn.listener.logf("http: superfluous response.WriteHeader call for %s", w.exchange.request.RemoteAddr)
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case status < 200:
		return
	}
	w.status = status

	// What the handler does to its header from now on is not sent.
	for key, values := range w.header {
		for _, value := range values {
			w.snapshot = append(w.snapshot, line{key: key, value: value})
		}
		if len(values) == 0 {
			w.snapshot = append(w.snapshot, line{key: key, empty: true})
		}
	}
	slices.SortStableFunc(w.snapshot, func(a, b line) int { return strings.Compare(a.key, b.key) })

	if announced := first(w.header["Content-Length"]); announced != "" {
		if length, err := strconv.ParseInt(announced, 10, 64); err == nil && length >= 0 {
			w.length = length
		} else {
			w.conn.listener.logf("http: invalid Content-Length of %q", announced)
		}
	}
}

// Hijack implements http.Hijacker. What was read of the connection, and not used, is in the reader's
// buffer. What was written of a body, and not sent yet, is lost.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c := w.conn
	if c.handed {
		return nil, nil, http.ErrHijacked
	}
	if w.status != 0 {
		w.sendHead(nil)
		w.send()
	}
	c.stopWatch()
	c.handed = true
	c.listener.remove(c)
	_ = c.nc.SetDeadline(time.Time{}) // a failure shows when the connection is used

	// Handlers that take a connection to pieces use no buffers, so these are the smallest.
	read := bytes.NewReader(bytes.Clone(c.buf[c.r:c.w]))
	reader := bufio.NewReaderSize(io.MultiReader(read, c.nc), read.Len())
	_, _ = reader.Peek(read.Len())
	c.listener.state(c.nc, http.StateHijacked)
	return c.nc, bufio.NewReadWriter(reader, bufio.NewWriterSize(c.nc, 1)), nil
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if err := w.mayWrite(len(p)); err != nil || len(p) == 0 {
		return 0, err
	}
	return w.small.Write(p)
}

// WriteString implements io.StringWriter.
func (w *response) WriteString(s string) (int, error) {
	if err := w.mayWrite(len(s)); err != nil || len(s) == 0 {
		return 0, err
	}
	return w.small.WriteString(s)
}

// mayWrite counts bytes that are to be written to the body, or refuses them.
func (w *response) mayWrite(n int) error {
	if w.conn.handed {
		return http.ErrHijacked
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if n == 0 {
		return nil
	}
	if !hasBody(w.status) {
		return http.ErrBodyNotAllowed
	}
	w.written += int64(n)
	if w.length != -1 && w.written > w.length {
		return http.ErrContentLength
	}
	return nil
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError sends what was written until now, for http.ResponseController.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	err := w.small.Flush()
	w.sendHead(nil)
	w.send()
	if err == nil {
		err = w.err
	}
	return err
}

// SetReadDeadline is for http.ResponseController.
func (w *response) SetReadDeadline(t time.Time) error {
	w.conn.readBy = t
	return w.conn.nc.SetReadDeadline(t)
}

// SetWriteDeadline is for http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.conn.writeBy, w.ownDeadline = t, true
	return w.conn.nc.SetWriteDeadline(t)
}

// finish sends the rest of the answer when the handler has returned.
func (w *response) finish() {
	w.done = true
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	_ = w.small.Flush() // mustClose reports an error
	w.sendHead(nil)
	if w.chunked {
		w.out = append(w.out, "0\r\n\r\n"...)
	}
	w.send()
}

// mustClose reports whether no other request may follow on the connection.
func (w *response) mustClose() bool {
	return w.closing || w.err != nil || w.length != -1 && hasBody(w.status) && w.length != w.written
}

// chunks takes what small has joined.
type chunks struct{ w *response }

// Write sends a piece of the body, as a chunk if the body's length is not known.
func (c chunks) Write(p []byte) (int, error) {
	w := c.w
	w.sendHead(p)
	if w.chunked {
		w.out = strconv.AppendInt(w.out, int64(len(p)), 16)
		w.out = append(w.out, "\r\n"...)
	}

	if len(w.out)+len(p) <= mostJoined {
		w.out = append(w.out, p...)
	} else {
		w.send()
		w.write(p)
	}

	if w.chunked {
		w.out = append(w.out, "\r\n"...)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// send writes what has been put together.
func (w *response) send() {
	if len(w.out) > 0 {
		w.write(w.out)
		w.out = w.out[:0]
	}
}

// write writes to the connection. What fails once fails from then on.
func (w *response) write(p []byte) {
	if w.err != nil {
		return
	}
	c := w.conn
	if timeout := c.listener.server.WriteTimeout; !w.ownDeadline {
		extend(&c.writeBy, w.now, timeout, timeout/coarse, c.nc.SetWriteDeadline)
	}
	if _, w.err = c.nc.Write(p); w.err != nil {
		c.cancel()
	}
}

// hasBody reports whether answers of a status have a body.
func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// first is the first of a field's values, or empty.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
