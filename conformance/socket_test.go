package conformance

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/lab"
)

// socket is a user's open WebSocket in a test.
type socket struct {
	t *testing.T
	*lab.Socket
}

// connect opens a WebSocket with the root key.
func (n *node) connect(t *testing.T, userARN string, more ...string) socket {
	t.Helper()
	return socket{t, lab.Opened(t)(n.Peer().Open(t.Context(), userARN, more...))}
}

// next waits for the next event.
func (s socket) next() lab.Frame {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	f, err := s.Next(ctx)
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
			s.t.Fatalf("the payload of %s: %v", f.Event(), err)
		}
		got := f.Event() + " " + f.Headers["x-amz-chime-message-type"] + " " + about.Content + about.Name + about.Member.Name
		if got = strings.TrimSpace(got); got != line {
			s.t.Errorf("event %d is %q, want %q", i, got, line)
		}
	}
}

// closed waits for the close frame and returns its code.
func (s socket) closed() websocket.StatusCode {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return s.Closed(ctx)
}
