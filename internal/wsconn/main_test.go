package wsconn

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/realtime"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(idleClientEnv); address != "" {
		if err := idleClient(address, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds what must happen soon; no test waits for it to pass.
const patience = 20 * time.Second

// fakeHub hands every session that attaches to the test.
type fakeHub struct {
	sessions chan *fakeSession
	err      error
	greeting []byte // queued while Attach still runs
}

func newFakeHub() *fakeHub { return &fakeHub{sessions: make(chan *fakeSession, 4096)} }

func (h *fakeHub) Attach(_ context.Context, g realtime.Grant, t realtime.Transport) (Session, error) {
	if h.err != nil {
		return nil, h.err
	}
	s := &fakeSession{transport: t, grant: g, detached: make(chan struct{}), heard: make(chan string, 64)}
	if h.greeting != nil {
		s.push(h.greeting)
	}
	h.sessions <- s
	return s, nil
}

func (h *fakeHub) session(t testing.TB) *fakeSession {
	t.Helper()
	select {
	case s := <-h.sessions:
		return s
	case <-time.After(patience):
		t.Fatal("no session was attached")
		return nil
	}
}

// fakeSession keeps to the contract of realtime.Session.
type fakeSession struct {
	deaf
	transport realtime.Transport
	grant     realtime.Grant
	detached  chan struct{}
	heard     chan string // by sessions that listen
	once      sync.Once

	mu    sync.Mutex
	queue [][]byte
	told  bool
	takes int
}

func (s *fakeSession) push(frames ...[]byte)  { s.queueUp(s.transport.Ready, frames) }
func (s *fakeSession) write(frames ...[]byte) { s.queueUp(s.transport.Write, frames) }

func (s *fakeSession) queueUp(notify func(), frames [][]byte) {
	s.mu.Lock()
	s.queue = append(s.queue, frames...)
	tell := !s.told
	s.told = true
	s.mu.Unlock()
	if tell {
		notify()
	}
}

func (s *fakeSession) Take(frames [][]byte, maxBytes int) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, 0
	for n < len(s.queue) && (n == 0 || size+len(s.queue[n]) <= maxBytes) {
		size += len(s.queue[n])
		n++
	}
	frames = append(frames, s.queue[:n]...)
	s.queue = s.queue[n:]
	s.told = n > 0
	if n > 0 {
		s.takes++
	}
	return frames
}

func (s *fakeSession) Detach() { s.once.Do(func() { close(s.detached) }) }

// deaf is the part of a session that takes no notice of its client.
type deaf struct{}

func (deaf) Beat() {}

func (deaf) Probed(bool) {}

func (deaf) Received([]byte) {}

func (s *fakeSession) waitDetached(t testing.TB) {
	t.Helper()
	await(t, s.detached, "the session to be detached")
}

// waitPending waits until everybody is attached.
func waitPending(t testing.TB, s *Server) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for s.Stats().Pending > 0 {
		if time.Now().After(deadline) {
			t.Fatal("some connections are still pending")
		}
		time.Sleep(time.Millisecond)
	}
}

func await(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
}

func allow(context.Context, *http.Request) (realtime.Grant, *realtime.CloseError) {
	return realtime.Grant{UserARN: "arn:user", SessionID: "s"}, nil
}

// granting lets everybody in, with what the grant has.
func granting(g realtime.Grant) AuthenticateFunc {
	return func(context.Context, *http.Request) (realtime.Grant, *realtime.CloseError) { return g, nil }
}

// way is how a server is run: everything has to be the same in all of them.
type way struct {
	engine Engine
	secure bool
}

func (w way) String() string {
	return string(w.engine) + map[bool]string{false: " ws", true: " wss"}[w.secure]
}

// everyWay runs a test with each engine, in plaintext and with TLS.
func everyWay(t *testing.T, test func(t *testing.T, w way)) {
	for _, engine := range []Engine{EngineEpoll, EngineGoroutine} {
		for _, secure := range []bool{false, true} {
			w := way{engine, secure}
			t.Run(w.String(), func(t *testing.T) { test(t, w) })
		}
	}
}

// start serves over loopback until the test ends. dial knows what to do with the address.
func (w way) start(t testing.TB, opts Options) (s *Server, address string) {
	t.Helper()
	opts.Engine = w.engine
	if opts.Authenticate == nil {
		opts.Authenticate = allow
	}
	if opts.PingInterval == 0 {
		opts.PingInterval = 10_000 * time.Hour // none comes in the way
	}
	s = New(opts)
	web := httptest.NewUnstartedServer(s)
	address = web.Listener.Addr().String()
	if w.secure {
		address = securePrefix + address
		web.Listener = secureListener{web.Listener}
	}
	web.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx, 1012, "test ends"); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		web.Close()
	})
	return s, address
}

// start serves plaintext with the default engine.
func start(t testing.TB, opts Options) (s *Server, address string) {
	t.Helper()
	return way{engine: EngineAuto}.start(t, opts)
}

const securePrefix = "wss://"

// certified is what httptest has for servers and for their clients.
var certified = sync.OnceValues(func() (server, client *tls.Config) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	defer web.Close()
	client = web.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "example.com"
	return &tls.Config{Certificates: web.TLS.Certificates}, client
})

// secureListener makes TLS connections whose socket another engine may take over.
type secureListener struct{ net.Listener }

func (l secureListener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	config, _ := certified()
	inner := &swappable{raw}
	return &secureConn{tls.Server(inner, config), inner}, nil
}

type swappable struct{ net.Conn }

type secureConn struct {
	*tls.Conn
	inner *swappable
}

func (c *secureConn) NetConn() net.Conn { return c.inner.Conn }

func (c *secureConn) Rebase(inner net.Conn) *tls.Conn {
	c.inner.Conn = inner
	return c.Conn
}

// peer is a client made of bare bytes, so that it can misbehave.
type peer struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
}

var testKey = base64.StdEncoding.EncodeToString([]byte("sixteen bytes ok"))

const upgradeRequest = "GET /connect?X-Amz-Signature=verysecret HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" +
	"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "

func dial(t testing.TB, address string) *peer {
	t.Helper()
	return handshake(t, dialRaw(t, address).nc)
}

// dialRaw leaves the handshake to the test.
func dialRaw(t testing.TB, address string) *peer {
	t.Helper()
	host, secure := strings.CutPrefix(address, securePrefix)
	nc, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		_, config := certified()
		nc = tls.Client(nc, config)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &peer{t, nc, bufio.NewReader(nc)}
}

func handshake(t testing.TB, nc net.Conn) *peer {
	t.Helper()
	if _, err := io.WriteString(nc, upgradeRequest+testKey+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(nc)
	response, err := http.ReadResponse(br, &http.Request{Method: http.MethodGet})
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status = %s", response.Status)
	}
	return &peer{t, nc, br}
}

func (p *peer) send(bytes ...byte) {
	p.t.Helper()
	if _, err := p.nc.Write(bytes); err != nil {
		p.t.Fatal(err)
	}
}

// next reads a frame, with gobwas/ws as judge of its form.
func (p *peer) next() (ws.Header, string, error) {
	h, err := ws.ReadHeader(p.br)
	if err != nil {
		return h, "", err
	}
	if err := ws.CheckHeader(h, ws.StateClientSide); err != nil {
		return h, "", err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(p.br, payload)
	return h, string(payload), err
}

func (p *peer) want(op ws.OpCode, payload string) {
	p.t.Helper()
	h, got, err := p.next()
	if err != nil {
		p.t.Fatalf("reading a frame: %v", err)
	}
	if h.OpCode != op || got != payload {
		p.t.Fatalf("got frame %x %.60q, want %x %.60q", h.OpCode, got, op, payload)
	}
}

// wantClose expects a close frame and nothing after it; 0 means one without a code.
func (p *peer) wantClose(code int) (reason string) {
	p.t.Helper()
	h, body, err := p.next()
	if err != nil {
		p.t.Fatalf("reading the close frame: %v", err)
	}
	got := 0
	if len(body) >= 2 {
		got, reason = int(body[0])<<8|int(body[1]), body[2:]
	}
	if h.OpCode != ws.OpClose || got != code {
		p.t.Fatalf("got frame %x with code %d %q, want close %d", h.OpCode, got, reason, code)
	}
	return reason
}

func (p *peer) wantEOF() {
	p.t.Helper()
	if b, err := p.br.ReadByte(); err != io.EOF {
		p.t.Fatalf("after the close frame: byte %x, error %v, want the end", b, err)
	}
}

var mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// frame is one of a client. first holds FIN, the reserved bits and the opcode.
func frame(first byte, payload string) []byte {
	f := appendFrame(nil, 0, []byte(payload))
	header := len(f) - len(payload)
	body := append([]byte{}, f[header:]...)
	ws.Cipher(body, mask, 0)
	f[0], f[1] = first, f[1]|0x80
	return append(append(f[:header], mask[:]...), body...)
}

const fin = 0x80

func text(s string) []byte        { return frame(fin|1, s) }
func binaryFrame(s string) []byte { return frame(fin|2, s) }
func ping(s string) []byte        { return frame(fin|9, s) }
func pong(s string) []byte        { return frame(fin|10, s) }

func closeOf(code int, reason string) []byte {
	return frame(fin|8, string([]byte{byte(code >> 8), byte(code)})+reason)
}

func list(frames ...[]byte) [][]byte { return frames }

func stars(n int) string { return strings.Repeat("*", n) }
