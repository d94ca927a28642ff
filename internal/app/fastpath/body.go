package fastpath

import (
	"io"
	"net/http"
)

// mostDropped bounds what is dropped of a body that the handler left, in bytes, before the
// connection is ended instead. It is net/http's.
const mostDropped = 256 << 10

// body reads the body of a request: first what is in the connection's buffer, then from the
// connection, never more than the body has.
type body struct {
	conn    *conn
	left    int64 // not read yet
	ended   bool  // io.EOF or io.ErrUnexpectedEOF was returned
	closed  bool
	tooLong bool // more was left than is dropped
}

// Read implements io.Reader. A body that ends early is an io.ErrUnexpectedEOF once.
func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.read(p)
}

func (b *body) read(p []byte) (n int, err error) {
	if b.ended {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.left)]

	// The buffer holds the requests that follow as well.
	c := b.conn
	if c.r < c.w {
		n = copy(p, c.buf[c.r:c.w])
		c.r += n
	} else if len(p) > 0 {
		n, err = c.nc.Read(p)
	}

	b.left -= int64(n)
	switch {
	case b.left == 0:
		b.ended = true
		c.startWatch()
		return n, io.EOF
	case n > 0:
		return n, nil // an error comes again
	case err == io.EOF:
		b.ended = true
		return 0, io.ErrUnexpectedEOF
	}
	return 0, err
}

// HasArrived reports whether what is left of the body is in the connection's buffer, so that no Read waits.
func (b *body) HasArrived() bool { return b.left <= int64(b.conn.w-b.conn.r) }

// Close drops what is left of the body, if it is not too much.
func (b *body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	if b.ended {
		return nil
	}

	left := b.left
	if b.tooLong = left > mostDropped; b.tooLong {
		return nil
	}
	err := b.drop()
	b.tooLong = err == nil && left == mostDropped // net/http has stopped looking for the end
	return err
}

// drop reads the body to its end.
func (b *body) drop() error {
	if b.ended {
		return nil
	}
	scratch := make([]byte, min(b.left, 32<<10))
	for {
		switch _, err := b.read(scratch); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
