package fastpath

import (
	"net/http"
	"net/url"
	"sync"
	"time"
)

// exchange is a request and its answer.
type exchange struct {
	request  http.Request
	url      url.URL
	body     body
	response response
}

var exchanges = sync.Pool{New: func() any {
	x := new(exchange)
	x.response.init(x)
	return x
}}

// begin takes the head that was read from the connection.
func (x *exchange) begin(c *conn, now time.Time) {
	h := &c.head
	x.url = h.url
	x.body = body{conn: c, left: h.length}

	r := &x.request
	*r = *c.base
	r.Method, r.RequestURI, r.URL = h.method, h.target, &x.url
	r.Host, r.Header = h.host, h.header
	r.Body, r.ContentLength = &x.body, h.length
	if h.length == 0 {
		r.Body = http.NoBody
		x.body.ended = true
		c.startWatch()
	}

	x.response.begin(c, now)
}

// finish ends the answer when the handler has returned. It reports whether another request may
// follow.
func (x *exchange) finish() bool {
	w := &x.response
	c := w.conn
	w.finish()
	_ = x.body.Close()
	c.stopWatch()
	if w.mustClose() || x.body.tooLong {
		if w.refusedBody || x.body.tooLong {
			c.linger()
		}
		return false
	}
	return true
}

// release forgets the connection, and lets another one use the exchange.
func (x *exchange) release() {
	x.request = http.Request{}
	x.url = url.URL{}
	x.body = body{}
	x.response.release()
	exchanges.Put(x)
}
