package goclient_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/client"
)

// server plays the messaging service by a script, over pipes, so that it lives in a synctest bubble.
type server struct {
	t      *testing.T
	accept func(peer) // plays one socket; it is closed afterwards

	mu       sync.Mutex
	queries  []url.Values                   // of the connects
	endpoint func(http.ResponseWriter) bool // answers the call of the endpoint, when it returns true
	refuse   func(n int) bool               // answers the n-th connect with 503
	raw      func(net.Conn)                 // plays a socket in place of accept, byte by byte
	pipes    chan net.Conn
	http     *http.Server
	playing  sync.WaitGroup
}

// peer is the server's side of one socket.
type peer struct {
	*websocket.Conn
	t     *testing.T
	n     int // counts the connects, from 1
	query url.Values
	key   string // access key
}

// play runs a test in a bubble with a server that plays accept for each socket.
func play(t *testing.T, accept func(peer), test func(*testing.T, *server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, accept: accept, pipes: make(chan net.Conn)}
		s.http = &http.Server{Handler: s}
		go func() { _ = s.http.Serve(s) }() // until it is closed
		test(t, s)
		_ = s.http.Close()
		s.playing.Wait()
	})
}

func (s *server) Accept() (net.Conn, error) {
	conn, ok := <-s.pipes
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (s *server) Close() error   { close(s.pipes); return nil }
func (s *server) Addr() net.Addr { return &net.UnixAddr{} }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/endpoints/messaging-session" {
		if s.endpoint == nil || !s.endpoint(w) {
			fmt.Fprint(w, `{"Endpoint":{"Url":"node1.test:99"}}`)
		}
		return
	}
	s.playing.Add(1)
	defer s.playing.Done()
	s.mu.Lock()
	s.queries = append(s.queries, r.URL.Query())
	p := peer{t: s.t, n: len(s.queries), query: r.URL.Query()}
	s.mu.Unlock()
	if r.URL.Path != "/connect" || r.Host != "node1.test:99" {
		s.t.Errorf("connects to %s %s", r.Host, r.URL.Path)
	}
	fmt.Sscanf(p.query.Get("X-Amz-Credential"), "%10s", &p.key)
	if s.refuse != nil && s.refuse(p.n) {
		w.WriteHeader(503)
		return
	}
	if s.raw != nil {
		s.upgrade(w, r)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	p.Conn = conn
	s.accept(p)
	_ = conn.CloseNow()
}

// upgrade hands a socket to raw.
func (s *server) upgrade(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	s.raw(conn)
}

// connects gives the query of each connect so far.
func (s *server) connects() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries
}

func (s *server) client(provider client.CredentialsProvider) *client.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case s.pipes <- theirs:
			return ours, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, DisableKeepAlives: true}
	c, err := client.New(client.Config{Endpoint: "http://chat.test", Credentials: provider, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

var someKeys = client.StaticCredentials(client.Credentials{AccessKeyID: "AKIDEXAMPLE1", SecretAccessKey: "secret"})

const ann = "arn:aws:chime:us-east-1:000000000000:app-instance/A/user/ann"

func (s *server) connect(cfg client.SessionConfig) (*client.Session, error) {
	return s.connectWith(someKeys, cfg)
}

func (s *server) connectWith(provider client.CredentialsProvider, cfg client.SessionConfig) (*client.Session, error) {
	cfg.UserARN = ann
	return s.client(provider).Connect(s.t.Context(), cfg)
}

func (s *server) mustConnect(cfg client.SessionConfig) *client.Session {
	s.t.Helper()
	session, err := s.connect(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return session
}

// send sends an event; position 0 has none.
func (p peer) send(typ string, position int, payload any) {
	headers := map[string]string{"x-amz-chime-event-type": typ, "x-amz-chime-message-type": "SYSTEM"}
	if position > 0 {
		headers["x-carillon-position"] = fmt.Sprint(position)
	}
	frame := map[string]any{"Headers": headers}
	if payload != nil {
		text, _ := json.Marshal(payload)
		frame["Payload"] = string(text)
	}
	text, _ := json.Marshal(frame)
	_ = p.Write(context.Background(), websocket.MessageText, text) // the test notices what does not come
}

type object map[string]any

func (p peer) establish(token string) {
	var payload any
	if token != "" {
		payload = object{"ResumeToken": token}
	}
	p.send("SESSION_ESTABLISHED", 0, payload)
}

func (p peer) message(position int) {
	p.send("CREATE_CHANNEL_MESSAGE", position, object{"MessageId": fmt.Sprint("m", position), "Content": "hello"})
}

// idle answers pings until the client is gone.
func (p peer) idle() {
	for {
		if _, _, err := p.Read(context.Background()); err != nil {
			return
		}
	}
}

// next describes the next event: its type and what is characteristic.
func next(t *testing.T, s *client.Session) string {
	t.Helper()
	e, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	switch d := e.Data.(type) {
	case *client.ChannelMessage:
		return e.Type + " " + d.MessageID
	case *client.NotResumed:
		return e.Type + " " + d.Reason
	}
	return e.Type
}

func expect(t *testing.T, s *client.Session, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := next(t, s); got != w {
			t.Fatalf("got %s, want %s", got, w)
		}
	}
}
