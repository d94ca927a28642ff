package lab

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// Frame is one event as it comes over a WebSocket.
type Frame struct {
	Headers map[string]string
	Payload string
}

// Event is the type of the event, such as CREATE_CHANNEL_MESSAGE.
func (f Frame) Event() string { return f.Headers["x-amz-chime-event-type"] }

// Field is a field of the payload that is a string; empty when there is none.
func (f Frame) Field(name string) string {
	var payload map[string]any
	_ = json.Unmarshal([]byte(f.Payload), &payload) // SESSION_ESTABLISHED has none
	s, _ := payload[name].(string)
	return s
}

// Socket is an open WebSocket.
type Socket struct{ *websocket.Conn }

// readLimit is more than any frame of a node has.
const readLimit = 1 << 20

// Presign makes the URL of a user's WebSocket, which may be used for the given time from at on. More are names and values of
// further parameters; without a sessionId among them the session is a new one.
func (p Peer) Presign(userARN string, at time.Time, expires time.Duration, more ...string) (string, error) {
	query := url.Values{"sessionId": {uuid.NewString()}, "userArn": {userARN}}
	for pair := range slices.Chunk(more, 2) {
		query.Set(pair[0], pair[1])
	}
	r, err := http.NewRequest(http.MethodGet, p.Base+"/connect?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	if err := p.Signer.Presign(r, sha256.Sum256(nil), at, expires); err != nil {
		return "", err
	}
	return strings.Replace(r.URL.String(), "http", "ws", 1), nil
}

// Dial opens a WebSocket at a URL, whatever comes over it: a refusal comes after the upgrade.
func (p Peer) Dial(ctx context.Context, target string) (*Socket, error) {
	untimed := &http.Client{Transport: p.HTTP.Transport} // a timeout would end the socket
	conn, _, err := websocket.Dial(ctx, target, &websocket.DialOptions{HTTPClient: untimed})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(readLimit)
	return &Socket{conn}, nil
}

// Connect presigns a URL as Presign does and dials it.
func (p Peer) Connect(ctx context.Context, userARN string, more ...string) (*Socket, error) {
	target, err := p.Presign(userARN, p.now(), time.Minute, more...)
	if err != nil {
		return nil, err
	}
	return p.Dial(ctx, target)
}

// Open connects and takes the SESSION_ESTABLISHED. A socket that the node ends before is an error from which
// websocket.CloseStatus reads the code.
func (p Peer) Open(ctx context.Context, userARN string, more ...string) (*Socket, error) {
	s, err := p.Connect(ctx, userARN, more...)
	if err != nil {
		return nil, err
	}
	first, err := s.Next(ctx)
	if err == nil && first.Event() != "SESSION_ESTABLISHED" {
		err = fmt.Errorf("the first event is %q", first.Event())
	}
	if err != nil {
		_ = s.CloseNow()
		return nil, err
	}
	return s, nil
}

// Opened takes what opened a socket in a test: an error ends the test, and the test ends the socket.
func Opened(t testing.TB) func(*Socket, error) *Socket {
	return func(s *Socket, err error) *Socket {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.CloseNow() })
		return s
	}
}

// Next waits for the next event.
func (s *Socket) Next(ctx context.Context) (f Frame, err error) {
	_, text, err := s.Read(ctx)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	return f, err
}

// Until waits for the first event that matches and drops those before it.
func (s *Socket) Until(ctx context.Context, match func(Frame) bool) (Frame, error) {
	for {
		f, err := s.Next(ctx)
		if err != nil || match(f) {
			return f, err
		}
	}
}

// Closed drops events until the socket ends and returns the code of the close frame, -1 when there was none.
func (s *Socket) Closed(ctx context.Context) websocket.StatusCode {
	_, err := s.Until(ctx, func(Frame) bool { return false })
	return websocket.CloseStatus(err)
}
