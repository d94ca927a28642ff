package wsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// connect dials with an independent client, with all that it offers by itself.
func connect(t *testing.T, url string, client *http.Client) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, response, err := websocket.Dial(ctx, url+"/connect", &websocket.DialOptions{
		HTTPClient:      client,
		Subprotocols:    []string{"chat"},
		CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	for _, header := range []string{"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} {
		if got := response.Header.Get(header); got != "" {
			t.Errorf("%s = %q, want none", header, got)
		}
	}
	ws.SetReadLimit(1 << 20)
	return ws
}

func TestInterop(t *testing.T) {
	for _, secure := range []bool{false, true} {
		name := map[bool]string{false: "ws", true: "wss"}[secure]
		t.Run(name, func(t *testing.T) {
			hub := newFakeHub()
			s := New(Options{Hub: hub, Authenticate: allow})
			web := httptest.NewUnstartedServer(s)
			if secure {
				web.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
				web.StartTLS()
			} else {
				web.Start()
			}
			t.Cleanup(func() {
				shutdown(t, s)
				web.Client().CloseIdleConnections()
				web.Close()
			})
			t.Run("events", func(t *testing.T) { interopEvents(t, hub, web) })
			t.Run("client closes", func(t *testing.T) { interopClientCloses(t, hub, web) })
			t.Run("server closes", func(t *testing.T) { interopServerCloses(t, hub, web) })
			t.Run("too much from the client", func(t *testing.T) { interopTooMuch(t, hub, web) })
		})
	}
}

func interopEvents(t *testing.T, hub *fakeHub, web *httptest.Server) {
	ws := connect(t, web.URL, web.Client())
	session := hub.session(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sizes := []int{0, 1, 125, 126, 600, 65535, 65536, 300_000}
	for range 20 {
		for _, size := range sizes {
			session.push(TextFrame([]byte(stars(size)), false))
		}
		if err := ws.Write(ctx, websocket.MessageText, []byte("heartbeat")); err != nil {
			t.Fatal(err)
		}
		for _, size := range sizes {
			kind, got, err := ws.Read(ctx)
			if err != nil || kind != websocket.MessageText || string(got) != stars(size) {
				t.Fatalf("%d bytes: got %d, %v, %v", size, len(got), kind, err)
			}
		}
	}
	reading := ws.CloseRead(ctx)
	if err := ws.Ping(ctx); err != nil {
		t.Error(err)
	}
	if reading.Err() != nil {
		t.Error("connection ended")
	}
	ws.CloseNow()
	session.waitDetached(t)
}

func interopClientCloses(t *testing.T, hub *fakeHub, web *httptest.Server) {
	ws := connect(t, web.URL, web.Client())
	session := hub.session(t)
	if err := ws.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Error(err)
	}
	session.waitDetached(t)
}

func interopServerCloses(t *testing.T, hub *fakeHub, web *httptest.Server) {
	ws := connect(t, web.URL, web.Client())
	session := hub.session(t)
	session.transport.Close(4003, "replaced")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, _, err := ws.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 4003 || closed.Reason != "replaced" {
		t.Errorf("error = %v", err)
	}
	session.waitDetached(t)
}

func interopTooMuch(t *testing.T, hub *fakeHub, web *httptest.Server) {
	ws := connect(t, web.URL, web.Client())
	session := hub.session(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := ws.Write(ctx, websocket.MessageBinary, []byte(strings.Repeat("x", 5000))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("error = %v", err)
	}
	session.waitDetached(t)
}
