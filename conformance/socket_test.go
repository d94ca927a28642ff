package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// frame is one event as it comes over the WebSocket.
type frame struct {
	Headers map[string]string
	Payload string
}

func (f frame) event() string { return f.Headers["x-amz-chime-event-type"] }

// member reads a member of the payload that is a string.
func (f frame) member(name string) string {
	var payload map[string]any
	_ = json.Unmarshal([]byte(f.Payload), &payload) // absent in SESSION_ESTABLISHED
	s, _ := payload[name].(string)
	return s
}

// presign makes the URL of a user's WebSocket. More are names and values of what the query has
// besides.
func (p peer) presign(userARN string, at time.Time, expires time.Duration, more ...string) (string, error) {
	query := url.Values{"sessionId": {uuid.NewString()}, "userArn": {userARN}}
	for pair := range slices.Chunk(more, 2) {
		query.Set(pair[0], pair[1])
	}
	req, err := http.NewRequest("GET", "http://"+p.address+"/connect?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	if err := p.signer.Presign(req, sha256.Sum256(nil), at, expires); err != nil {
		return "", err
	}
	return strings.Replace(req.URL.String(), "http", "ws", 1), nil
}

// dial opens a WebSocket.
func (p peer) dial(ctx context.Context, userARN string, more ...string) (*websocket.Conn, error) {
	target, err := p.presign(userARN, time.Now(), time.Minute, more...)
	if err != nil {
		return nil, err
	}
	conn, _, err := websocket.Dial(ctx, target, &websocket.DialOptions{HTTPClient: p.http})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	return conn, nil
}

// open opens a WebSocket and takes the SESSION_ESTABLISHED.
func (p peer) open(ctx context.Context, userARN string, more ...string) (*websocket.Conn, error) {
	conn, err := p.dial(ctx, userARN, more...)
	if err != nil {
		return nil, err
	}
	first, err := next(ctx, conn)
	if err == nil && first.event() != "SESSION_ESTABLISHED" {
		err = errors.New("the first event is " + first.event())
	}
	if err != nil {
		_ = conn.CloseNow()
		return nil, err
	}
	return conn, nil
}

func next(ctx context.Context, conn *websocket.Conn) (f frame, err error) {
	_, text, err := conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	return f, err
}

// socket is a user's open WebSocket in a test.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
}

func (n *node) connect(t *testing.T, userARN string, more ...string) socket {
	t.Helper()
	conn, err := n.peer().open(t.Context(), userARN, more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return socket{t, conn}
}

// next waits for the next event.
func (s socket) next() frame {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	f, err := next(ctx, s.conn)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// expect waits for as many events as it is given and compares them: type, message type, and
// what names the thing that the event is about.
func (s socket) expect(want ...string) {
	s.t.Helper()
	for i, line := range want {
		f := s.next()
		var about struct {
			Content, Name string
			Member        struct{ Name string }
		}
		if err := json.Unmarshal([]byte(f.Payload), &about); err != nil {
			s.t.Fatalf("the payload of %s: %v", f.event(), err)
		}
		got := f.event() + " " + f.Headers["x-amz-chime-message-type"] + " " + about.Content + about.Name + about.Member.Name
		if got = strings.TrimSpace(got); got != line {
			s.t.Errorf("event %d is %q, want %q", i, got, line)
		}
	}
}

// closed waits for the close frame and tells its code.
func (s socket) closed() websocket.StatusCode {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		if _, _, err := s.conn.Read(ctx); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}
