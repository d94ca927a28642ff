package outbound

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Stream makes one call and has read take the answer, whose Body is nil, and its body while it comes, of
// which it may read limit bytes. Such an answer may take longer than others: the time of the call is bounded
// by ctx alone, so ctx needs a deadline.
func (c *Client) Stream(ctx context.Context, request *http.Request, limit int64, read func(a *Answer, body io.Reader) error) error {
	resp, err := c.send(request.WithContext(ctx))
	if err == nil {
		defer func() { _ = resp.Body.Close() }()
		err = read(&Answer{Host: request.URL.Host, Status: resp.StatusCode, Header: resp.Header}, &limited{resp.Body, limit})
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", request.Method, request.URL.Host, err)
	}
	return nil
}

// limited is a body of which so many bytes may be read.
type limited struct {
	body io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 { // one more shows that there is more
		p = p[:l.left+1]
	}
	n, err := l.body.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}
