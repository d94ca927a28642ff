package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	readLimit   = 16 << 20         // bytes of one frame; a prefetched channel is the largest
	urlLifetime = 10 * time.Second // as in every other SDK
)

var (
	errConnectTimeout = errors.New("no SESSION_ESTABLISHED within ConnectTimeout")
	errSilent         = errors.New("the server has been silent for too long")
)

// run connects until the session ends.
func (s *Session) run() {
	s.err = s.live()
	s.cancel(s.err)
	close(s.events)
}

func (s *Session) live() error {
	limits := *s.cfg.Reconnect
	pause := backoff{first: limits.First, longest: limits.Longest}
	since := time.Now()
	renewed := false

	for {
		keys, established, err := s.attempt()
		if s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		if s.closing.Load() {
			return ErrClosed
		}

		if established {
			pause.waits, since, renewed = 0, time.Now(), false
		}

		// Refused keys are replaced once; every other lasting refusal ends the session.
		if !temporary(err) {
			if renewed || !refusesKeys(err) {
				return fmt.Errorf("client: session: %w", err)
			}
			renewed = true
			if other, _ := s.client.keys.replace(s.ctx, keys); !other {
				return fmt.Errorf("client: session: %w", err)
			}
			s.disconnected(err, 0)
			continue
		}

		delay := pause.next()
		if limits.Window > 0 && time.Since(since)+delay > limits.Window {
			return fmt.Errorf("client: session: gave up after %s: %w", limits.Window, err)
		}
		s.disconnected(err, delay)
		if err := wait(s.ctx, delay); err != nil {
			return err
		}
	}
}

func (s *Session) disconnected(err error, wait time.Duration) {
	if s.cfg.OnDisconnect != nil {
		s.cfg.OnDisconnect(err, wait)
	}
}

// temporary reports whether connecting again can help. What is no answer of the server is a
// trouble of the network or of the provider of credentials, and passes.
func temporary(err error) bool {
	var closed *CloseError
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return refused.Temporary()
	case errors.As(err, &closed):
		return closed.Temporary()
	}
	return true
}

func refusesKeys(err error) bool {
	var closed *CloseError
	return errors.As(err, &closed) && closed.Code == CloseUnauthorized
}

// socket is one connection of the session.
type socket struct {
	conn  *websocket.Conn
	wire  io.Closer    // what conn runs over
	heard atomic.Int64 // nanoseconds since start
	held  atomic.Bool  // the caller takes its time, so nothing is read
	start time.Time
}

func (k *socket) hear()                { k.heard.Store(int64(time.Since(k.start))) }
func (k *socket) quiet() time.Duration { return time.Since(k.start) - time.Duration(k.heard.Load()) }

// attempt connects and hands out events until the socket ends, for which err is the reason. keys
// are those that it connected with.
func (s *Session) attempt() (keys Credentials, established bool, err error) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	limit := time.AfterFunc(s.cfg.ConnectTimeout, func() { cancel(errConnectTimeout) })
	defer limit.Stop()

	k := &socket{start: time.Now()}
	if keys, err = s.dial(ctx, k); err != nil {
		return keys, false, because(ctx, err)
	}
	defer func() { _ = k.conn.CloseNow() }() // it is over
	s.setConn(k.conn, k.wire)
	defer s.setConn(nil, nil)

	watched := make(chan struct{})
	go func() {
		defer close(watched)
		k.watch(ctx, s.cfg.Liveness, cancel)
	}()
	err = s.receive(ctx, k, func() {
		limit.Stop()
		established = true
		s.first.Do(func() { close(s.established) })
	})
	err = because(ctx, err)
	cancel(nil)
	<-watched
	return keys, established, err
}

// because gives the reason for which ctx ended, if it has, for the error is only a consequence.
func because(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return &CloseError{Code: CloseAbnormal, Err: context.Cause(ctx)}
}

// dial fetches the endpoint and opens the WebSocket.
func (s *Session) dial(ctx context.Context, k *socket) (Credentials, error) {
	// The endpoint is fetched each time: another node may be the one to connect to.
	c := s.client
	var answer struct {
		Endpoint struct {
			URL string `json:"Url"`
		}
	}
	ask := request{operation: "GetMessagingSessionEndpoint", method: http.MethodGet, path: "/endpoints/messaging-session"}
	if err := c.do(ctx, ask, 1, &answer); err != nil {
		return Credentials{}, fmt.Errorf("GetMessagingSessionEndpoint: %w", err)
	}

	// Keys and signature are fresh, since a presigned URL is short-lived.
	keys, err := c.keys.get(ctx)
	if err != nil {
		return keys, err
	}
	target, err := s.presign(answer.Endpoint.URL, keys)
	if err != nil {
		return keys, err
	}

	// The connection under the WebSocket is kept, so that Close can end it.
	options := websocket.DialOptions{
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := c.sockets.Transport.RoundTrip(r)
			if err == nil {
				k.wire = response.Body
			}
			return response, err
		})},
		OnPingReceived: func(context.Context, []byte) bool { k.hear(); return true },
	}
	if s.cfg.Compress {
		options.CompressionMode = websocket.CompressionContextTakeover
	}

	k.conn, _, err = websocket.Dial(ctx, target, &options)
	if err != nil {
		return keys, withoutURL(err)
	}
	k.conn.SetReadLimit(readLimit)
	k.hear()
	return keys, nil
}

// roundTripper is a function that is an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// presign makes the URL of the WebSocket (spec 2.4).
func (s *Session) presign(host string, keys Credentials) (string, error) {
	c := s.client
	query := url.Values{"sessionId": {s.cfg.SessionID}, "userArn": {s.cfg.UserARN}}
	if s.cfg.Prefetch {
		query.Set("prefetch-on", "connect")
		if s.cfg.PrefetchSort != "" {
			query.Set("prefetch-sort-by", string(s.cfg.PrefetchSort))
		}
	}

	if len(s.cfg.Extras) > 0 {
		names := make([]string, len(s.cfg.Extras))
		for i, extra := range s.cfg.Extras {
			names[i] = string(extra)
		}
		query.Set("extras", strings.Join(names, ","))
	}

	if !s.cfg.NoResume {
		s.from.connecting()
		query.Set("resume-from", s.from.String())
	}

	req, err := http.NewRequest(http.MethodGet, c.endpoint.Scheme+"://"+host+"/connect?"+query.Encode(), nil)
	if err != nil {
		return "", fmt.Errorf("the server names the endpoint %q: %w", host, withoutURL(err))
	}
	if err := c.signer(keys).presign(req, time.Now(), urlLifetime); err != nil {
		return "", err
	}
	return "ws" + strings.TrimPrefix(req.URL.String(), "http"), nil
}

// receive hands out events until the socket ends.
func (s *Session) receive(ctx context.Context, k *socket, established func()) error {
	for {
		_, text, err := k.conn.Read(ctx)
		if err != nil {
			return closeError(err)
		}
		k.hear()

		e := parse(text)
		var notice *Event
		if !s.cfg.NoResume {
			var isNew bool
			if isNew, notice = s.from.take(&e); !isNew {
				continue
			}
		}

		if e.Type == EventSessionEstablished {
			established()
		}
		if err := s.handOut(k, e); err != nil {
			return err
		}
		if notice == nil {
			continue
		}
		if err := s.handOut(k, *notice); err != nil {
			return err
		}
	}
}

// handOut waits for the caller when it is too far ahead of it. The end of the socket does not end
// it: the event counts as taken.
func (s *Session) handOut(k *socket, e Event) error {
	select {
	case s.events <- e:
		return nil
	default:
	}

	k.held.Store(true)
	defer func() {
		k.hear() // what the server sent meanwhile is unread
		k.held.Store(false)
	}()

	select {
	case s.events <- e:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// watch ends the connection when the server has been silent for the time: it pings the server after
// two thirds of it. A connection that is not read from, because the caller is slow, is not judged.
func (k *socket) watch(ctx context.Context, liveness time.Duration, end context.CancelCauseFunc) {
	patience := liveness * 2 / 3

	for {
		next := patience
		if !k.held.Load() {
			next = patience - k.quiet()
		}
		if next > 0 {
			if wait(ctx, next) != nil {
				return
			}
			continue
		}

		answered, cancel := context.WithTimeout(ctx, liveness-patience)
		err := k.conn.Ping(answered)
		cancel()

		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			k.hear()
		case !k.held.Load() && k.quiet() >= patience:
			end(errSilent)
			return
		}
	}
}
