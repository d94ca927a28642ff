package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is one call of an operation, on its way.
type request struct {
	operation, method, path string // path escaped
	missing                 string // a required label of the path
	query                   url.Values
	bearer                  string
	body                    any  // nil has none
	once                    bool // repeating it acts once: it reads, it sets, or it carries a token
}

const (
	maxAnswer    = 64 << 20 // bytes
	firstRetry   = 100 * time.Millisecond
	longestRetry = 5 * time.Second
)

// call makes the call, as often as it takes, and reads its answer.
func call[Response any](ctx context.Context, c *Client, r request) (*Response, error) {
	if r.missing != "" {
		return nil, fmt.Errorf("client: %s: %s is missing", r.operation, r.missing)
	}
	answer := new(Response)
	if err := c.do(ctx, r, c.cfg.MaxAttempts, answer); err != nil {
		return nil, fmt.Errorf("client: %s: %w", r.operation, err)
	}
	return answer, nil
}

func (c *Client) do(ctx context.Context, r request, attempts int, answer any) error {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return err
		}
	}

	pause := backoff{first: firstRetry, longest: longestRetry}
	for renewed := false; ; {
		keys, err := c.keys.get(ctx)
		if err != nil {
			return err
		}

		err = c.try(ctx, r, keys, body, answer)
		if err == nil || ctx.Err() != nil {
			return err
		}

		// Fresh keys are a reason to try again once, without counting it.
		var refused *Error
		if errors.As(err, &refused) && refused.refusesKeys() && !renewed {
			renewed = true
			if other, _ := c.keys.replace(ctx, keys); other {
				continue
			}
		}

		if attempts--; attempts <= 0 || !r.again(err) {
			return err
		}

		delay := pause.next()
		if refused != nil {
			delay = max(delay, min(refused.retryAfter, longestRetry))
		}
		if wait(ctx, delay) != nil {
			return err
		}
	}
}

// again reports whether to try again after the error.
func (r request) again(err error) bool {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Temporary()
	}
	var op *net.OpError
	unsent := errors.As(err, &op) && op.Op == "dial"
	return unsent || r.once
}

// try makes the call once.
func (c *Client) try(ctx context.Context, r request, keys Credentials, body []byte, answer any) error {
	// The request, signed for the keys of this try.
	target := c.endpoint.Scheme + "://" + c.endpoint.Host + r.path
	if len(r.query) > 0 {
		target += "?" + canonicalQuery(r.query)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.bearer != "" {
		req.Header.Set("X-Amz-Chime-Bearer", r.bearer)
	}
	if err := c.signer(keys).sign(req, body, time.Now()); err != nil {
		return err
	}

	resp, err := c.http.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}

	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return newError(resp, text)
	}
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("the answer cannot be read: %w", err)
	}
	return nil
}

func (c *Client) signer(keys Credentials) signer { return signer{keys: keys, region: c.cfg.Region} }

// withoutURL takes the URL out of an error, for it can carry a signature.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// newToken makes an idempotency token.
func newToken() string { return strings.ToLower(rand.Text()) }

// copyOf gives a request that can be completed without changing the caller's.
func copyOf[T any](r *T) (in T) {
	if r != nil {
		in = *r
	}
	return in
}

func (c *Client) bearer(own string) string {
	if own != "" {
		return own
	}
	return c.cfg.Bearer
}

// label gives a part of the path. Without it the path would be another's.
func (r *request) label(member, value string) string {
	if value == "" && r.missing == "" {
		r.missing = member
	}
	return url.PathEscape(value)
}

// set sets a parameter of the query that is not absent.
func (r *request) set(name, value string) {
	if value != "" {
		r.fix(name, value)
	}
}

// fix sets a parameter that distinguishes operations on one path.
func (r *request) fix(name, value string) {
	if r.query == nil {
		r.query = url.Values{}
	}
	r.query.Set(name, value)
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
