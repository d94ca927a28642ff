package wsconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/store"
)

func TestHubCloses(t *testing.T) { everyWay(t, testHubCloses) }

func testHubCloses(t *testing.T, w way) {
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub})
	p := dial(t, address)
	session := hub.session(t)
	session.push(TextFrame([]byte("hello"), false))
	p.want(ws.OpText, "hello") // it is attached
	session.push(TextFrame([]byte("last words"), false))
	session.transport.Close(4003, "kicked")
	session.transport.Close(1011, "too late to matter")
	p.want(ws.OpText, "last words")
	if reason := p.wantClose(4003); reason != "kicked" {
		t.Errorf("reason = %q", reason)
	}
	session.waitDetached(t)
	session.push(TextFrame([]byte("nobody gets this"), false))
	p.send(ping("not answered after close")...)
	p.send(closeOf(4003, "")...)
	p.wantEOF()
	shutdown(t, s)
	if n := s.Stats().Closed[Ended{"hub", 4003}]; n != 1 {
		t.Errorf("closed = %v", s.Stats().Closed)
	}
}

func TestClientVanishes(t *testing.T) { everyWay(t, testClientVanishes) }

func testClientVanishes(t *testing.T, w way) {
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub})
	p := dial(t, address)
	session := hub.session(t)
	p.nc.Close()
	session.waitDetached(t)
	shutdown(t, s)
	if n := s.Stats().Closed[Ended{"lost", 1006}]; n != 1 {
		t.Errorf("closed = %v", s.Stats().Closed)
	}
}

// A client that half-closes right after its close frame still gets the answer.
func TestClientClosesAndHalfCloses(t *testing.T) { everyWay(t, testClientClosesAndHalfCloses) }

func testClientClosesAndHalfCloses(t *testing.T, w way) {
	hub := newFakeHub()
	_, address := w.start(t, Options{Hub: hub})
	for range 50 {
		p := dial(t, address)
		p.send(closeOf(1000, "")...)
		if err := p.nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		p.wantClose(1000)
		p.wantEOF()
	}
}

// The close frame of a breach must not be lost because of input that nobody reads.
func TestBreachWithMuchUnreadInput(t *testing.T) { everyWay(t, testBreachWithMuchUnreadInput) }

func testBreachWithMuchUnreadInput(t *testing.T, w way) {
	hub := newFakeHub()
	_, address := w.start(t, Options{Hub: hub})
	for range 20 {
		p := dial(t, address)
		p.send(append(frame(fin|3, ""), make([]byte, 300_000)...)...)
		p.wantClose(1002)
		p.wantEOF()
		p.nc.Close()
	}
}

func TestShutdown(t *testing.T) { everyWay(t, testShutdown) }

func testShutdown(t *testing.T, w way) {
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub})
	var peers []*peer
	for range 20 {
		peers = append(peers, dial(t, address))
	}
	waitPending(t, s) // a socket is open before it has a session
	var clients sync.WaitGroup
	for _, p := range peers {
		clients.Go(func() {
			if reason := p.wantClose(1012); reason != "service restart" {
				t.Errorf("reason = %q", reason)
			}
			p.send(closeOf(1012, "")...)
			p.wantEOF()
		})
	}
	shutdown(t, s)
	clients.Wait()
	for range peers {
		hub.session(t).waitDetached(t)
	}
	stats := s.Stats()
	if stats.Open != 0 || stats.Pending != 0 || stats.Accepted != 20 || stats.Closed[Ended{"shutdown", 1012}] != 20 {
		t.Errorf("stats = %+v", stats)
	}
	if status := tryUpgrade(t, address); status != http.StatusServiceUnavailable {
		t.Errorf("after shutdown: status %d, want 503", status)
	}
	shutdown(t, s) // again: nothing to do
}

func TestShutdownCutsOffWhoDoesNotAnswer(t *testing.T) {
	everyWay(t, testShutdownCutsOffWhoDoesNotAnswer)
}

func testShutdownCutsOffWhoDoesNotAnswer(t *testing.T, w way) {
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub, CloseTimeout: time.Hour})
	p := dial(t, address)
	waitPending(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		p.wantClose(1001)
		cancel() // and no answer
	}()
	if err := s.Shutdown(ctx, 1001, "drain"); !errors.Is(err, context.Canceled) {
		t.Fatalf("error = %v", err)
	}
	hub.session(t).waitDetached(t)
	shutdown(t, s)
}

func TestShutdownDuringAuthentication(t *testing.T) { everyWay(t, testShutdownDuringAuthentication) }

func testShutdownDuringAuthentication(t *testing.T, w way) {
	entered := make(chan struct{})
	s, address := w.start(t, Options{Hub: newFakeHub(), Authenticate: func(ctx context.Context, _ *http.Request) (realtime.Grant, *realtime.CloseError) {
		close(entered)
		<-ctx.Done()
		return realtime.Grant{}, &realtime.CloseError{Code: 4401, Reason: "never known"}
	}})
	p := dial(t, address)
	await(t, entered, "authentication to begin")
	ended := make(chan struct{})
	go func() { defer close(ended); shutdown(t, s) }()
	// 1012 of Shutdown, or 1013 of the authentication that it interrupts: both let clients come
	// back; 4401 would keep them away.
	h, body, err := p.next()
	if err != nil || h.OpCode != ws.OpClose || body[:2] != "\x03\xf4" && body[:2] != "\x03\xf5" {
		t.Fatalf("got %x %q, %v", h.OpCode, body, err)
	}
	p.send(closeOf(1012, "")...)
	p.wantEOF()
	await(t, ended, "Shutdown")
}

// TestOrder: whatever is coalesced, the client sees what was pushed, in order, and control
// frames only between frames.
func TestOrder(t *testing.T) { everyWay(t, testOrder) }

func testOrder(t *testing.T, w way) {
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub})
	p := dial(t, address)
	session := hub.session(t)
	const events = 20_000
	const pings = 500
	go func() {
		for i := 0; i < events; {
			var burst [][]byte
			for range 1 + i%7 {
				burst = append(burst, TextFrame(fmt.Appendf(nil, "%d %s", i, stars(i%300)), false))
				if i++; i == events {
					break
				}
			}
			if i%2 == 0 {
				session.push(burst...)
			} else {
				session.write(burst...)
			}
		}
	}()
	go func() {
		for i := range pings {
			p.nc.Write(ping(fmt.Sprint(i)))
		}
	}()
	for i := 0; i < events; {
		h, payload, err := p.next()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case h.OpCode == ws.OpPong:
		case h.OpCode == ws.OpText && payload == fmt.Sprintf("%d %s", i, stars(i%300)):
			i++
		default:
			t.Fatalf("got %x %.40q instead of event %d", h.OpCode, payload, i)
		}
	}
	p.nc.Close()
	shutdown(t, s) // a write is counted after the client may have read it
	if n := s.Stats().FramesWritten; n != events {
		t.Errorf("%d frames counted", n)
	}
}

// TestCoalescing: frames that wait together leave in few writes.
func TestCoalescing(t *testing.T) {
	const events = 100
	var waiting [][]byte
	for i := range events {
		waiting = append(waiting, TextFrame([]byte(fmt.Sprint("event ", i)), false))
	}
	hub := newFakeHub()
	server, client := net.Pipe()
	counted := &countedConn{Conn: server}
	s := New(Options{Hub: hub, Authenticate: allow})
	accept := serveOne(t, s, counted)
	client.SetDeadline(time.Now().Add(patience))
	p := handshake(t, client)
	session := hub.session(t)
	before := counted.writes()
	session.push(waiting...)
	for i := range events {
		p.want(ws.OpText, fmt.Sprint("event ", i))
	}
	if n := counted.writes() - before; n > 2 {
		t.Errorf("%d writes for %d small frames", n, events)
	}
	client.Close()
	session.waitDetached(t)
	shutdown(t, s)
	accept()
}

type countedConn struct {
	net.Conn
	mu sync.Mutex
	n  int
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *countedConn) writes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// oneListener serves connections that are there already.
type oneListener struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *oneListener) Accept() (net.Conn, error) {
	if nc, ok := <-l.conns; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}
func (l *oneListener) Close() error   { l.once.Do(func() { close(l.conns) }); return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }

// serveOne serves a connection with net/http. The result stops it.
func serveOne(t testing.TB, s *Server, nc net.Conn) (stop func()) {
	t.Helper()
	listener := &oneListener{conns: make(chan net.Conn, 1)}
	listener.conns <- nc
	web := &http.Server{Handler: s}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	}()
	return func() {
		web.Close()
		<-ended
	}
}

// TestReadyStorm: Ready, Close and pings from many goroutines at once lose nothing.
func TestReadyStorm(t *testing.T) { everyWay(t, testReadyStorm) }

func testReadyStorm(t *testing.T, w way) {
	hub := newFakeHub()
	_, address := w.start(t, Options{Hub: hub})
	for range 10 {
		p := dial(t, address)
		session := hub.session(t)
		const pushers, each = 8, 100
		var storm sync.WaitGroup
		for range pushers {
			storm.Go(func() {
				for range each {
					session.push(TextFrame([]byte("x"), false))
					session.transport.Ready() // spurious, but harmless
					session.write(TextFrame([]byte("x"), false))
					session.transport.Write()
				}
			})
		}
		for range 2 * pushers * each {
			p.want(ws.OpText, "x")
		}
		storm.Wait()
		for range 4 {
			storm.Go(func() { session.transport.Close(1011, "slow consumer") })
			storm.Go(session.transport.Ready)
		}
		storm.Wait()
		p.wantClose(1011)
		p.nc.Close()
		session.waitDetached(t)
	}
}

func TestSlowReaderIsClosed(t *testing.T) { everyWay(t, testSlowReaderIsClosed) }

func testSlowReaderIsClosed(t *testing.T, w way) {
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub, WriteTimeout: 50 * time.Millisecond})
	dial(t, address) // and read nothing
	session := hub.session(t)
	fill(session)
	session.waitDetached(t)
	shutdown(t, s)
	if n := s.Stats().Closed[Ended{"write_timeout", 1006}]; n != 1 {
		t.Errorf("closed = %v", s.Stats().Closed)
	}
}

// fill queues more than the kernel takes for one peer.
func fill(session *fakeSession) {
	large := TextFrame([]byte(stars(64<<10)), false)
	for range 256 {
		session.push(large)
	}
}

// An idle connection holds a goroutine, or none with the engine that polls.
func TestGoroutinesOfIdleConnections(t *testing.T) {
	const count = 50
	t.Run("goroutine", func(t *testing.T) { testGoroutines(t, way{EngineGoroutine, false}, count, count+1) }) // the sweeper
	t.Run("epoll", func(t *testing.T) {
		skipWithoutEpoll(t)
		for _, secure := range []bool{false, true} {
			testGoroutines(t, way{EngineEpoll, secure}, count, 2*min(2*runtime.GOMAXPROCS(0), 32)+1)
		}
	})
}

func skipWithoutEpoll(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("epoll is of Linux")
	}
}

func testGoroutines(t *testing.T, w way, count, want int) {
	t.Helper()
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub})
	for range count {
		p := dial(t, address)
		hub.session(t).push(TextFrame([]byte("hello"), false))
		p.want(ws.OpText, "hello")
	}
	deadline := time.Now().Add(patience)
	for handlers() != want && time.Now().Before(deadline) {
		runtime.Gosched() // writers and net/http's goroutines are about to end
	}
	if n := handlers(); n != want {
		t.Errorf("%d goroutines for %d connections, want %d", n, count, want)
	}
	shutdown(t, s)
}

// handlers counts the goroutines that run code of this package or of net/http's server.
func handlers() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	n := 0
	for one := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(one, "wsconn.(*") || strings.Contains(one, "net/http.(*conn).serve") {
			n++
		}
	}
	return n
}

// brokenStore fails to read memberships.
type brokenStore struct{ store.Store }

func (brokenStore) View(context.Context, string, func(store.Reader) error) error {
	return io.ErrUnexpectedEOF
}

// An error of the hub must not come back as a session that holds nothing.
func TestOnHubPassesErrorsOn(t *testing.T) {
	h := realtime.New(realtime.Options{
		Store: brokenStore{}, Frame: TextFrame,
		Follow: func(context.Context, string) (uint64, func(), error) { return 0, func() {}, nil },
	})
	s, err := OnHub(h).Attach(t.Context(), realtime.Grant{User: "user/u"}, nil)
	if s != nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("session %v, error %v", s, err)
	}
}
