package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// peer calls a node in dev mode with the root key, over real sockets.
type peer struct {
	addr string
	http *http.Client
	now  func() time.Time
}

func newPeer(addr string) *peer {
	return &peer{addr, &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, time.Now}
}

// close gives back idle connections.
func (p *peer) close() { p.http.CloseIdleConnections() }

var signer = sigv4.Signer{
	Credentials: sigv4.Credentials{AccessKeyID: config.DevAccessKeyID, SecretAccessKey: config.DevSecretAccessKey},
	Scope:       sigv4.Scope{Region: "us-east-1", Service: "chime"},
}

// refusal is an answer of the API that is no success.
type refusal struct {
	status        int
	kind, message string // x-amzn-ErrorType
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.status, r.kind, r.message) }

// object is a JSON object that is sent.
type object = map[string]any

// call makes a signed call, as a bearer unless that is empty, and reads the answer into out
// unless that is nil. An answer that is no success is a *refusal.
func (p *peer) call(ctx context.Context, method, target, bearer string, in object, out any) error {
	var body []byte
	if in != nil {
		body, _ = json.Marshal(in) // strings, numbers and lists of them
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+p.addr+target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		r.Header.Set("X-Amz-Chime-Bearer", bearer)
	}
	if err := signer.Sign(r, sha256.Sum256(body), p.now()); err != nil {
		return err
	}
	answer, err := p.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode/100 != 2:
		var told struct{ Message string }
		_ = json.Unmarshal(text, &told) // the status says enough
		return &refusal{answer.StatusCode, answer.Header.Get("X-Amzn-ErrorType"), told.Message}
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// escape writes an ARN as a segment of a path, as the SDKs do.
func escape(arn string) string { return strings.ReplaceAll(url.PathEscape(arn), ":", "%3A") }

// frame is one event as it comes over the WebSocket.
type frame struct {
	Headers map[string]string
	Payload string
}

func (f frame) event() string { return f.Headers["x-amz-chime-event-type"] }

// dial opens a user's WebSocket; more are parameters of the query besides the necessary ones.
func (p *peer) dial(ctx context.Context, userARN, sessionID string, more url.Values) (*websocket.Conn, error) {
	query := url.Values{"sessionId": {sessionID}, "userArn": {userARN}}
	for name, values := range more {
		query[name] = values
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/connect?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if err := signer.Presign(r, sha256.Sum256(nil), p.now(), time.Minute); err != nil {
		return nil, err
	}
	target := strings.Replace(r.URL.String(), "http", "ws", 1)
	dialer := &http.Client{Transport: p.http.Transport} // a timeout would end the socket
	conn, _, err := websocket.Dial(ctx, target, &websocket.DialOptions{HTTPClient: dialer})
	if err == nil {
		conn.SetReadLimit(1 << 20)
	}
	return conn, err
}

// next reads the next event.
func next(ctx context.Context, conn *websocket.Conn) (f frame, err error) {
	_, text, err := conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	return f, err
}
