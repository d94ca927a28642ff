package bothtls_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/app/bothtls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type server struct {
	addr   string
	client *tls.Config // trusts the server
}

// configs are those of a server with a certificate and of a client that trusts it.
func configs() (server, client *tls.Config) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	server = &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{"http/1.1"}}
	client = certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "example.com"
	return server, client
}

// serve runs an HTTP server on both kinds of connection until the test ends.
func serve(t *testing.T, headerTimeout time.Duration, h http.Handler) server {
	t.Helper()
	config, client := configs()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan error)
	go func() { done <- srv.Serve(bothtls.NewListener(inner, config)) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return server{inner.Addr().String(), client}
}

func dial(t *testing.T, s server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func get(t *testing.T, s server, scheme string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: s.client.Clone()}}
	defer client.CloseIdleConnections()
	var bodies strings.Builder
	for range 2 { // the second request uses the first's connection
		resp, err := client.Post(scheme+"://"+s.addr+"/echo", "text/plain", strings.NewReader(scheme+" "))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(&bodies, resp.Body)
		_ = resp.Body.Close()
	}
	return bodies.String()
}

var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })

func TestBothKindsOnOnePort(t *testing.T) {
	s := serve(t, time.Minute, echo)
	for _, scheme := range []string{"http", "https"} {
		if got, want := get(t, s, scheme), scheme+" "+scheme+" "; got != want {
			t.Errorf("%s: %q", scheme, got)
		}
	}
}

func TestSilentClientsDelayNobody(t *testing.T) {
	s := serve(t, time.Minute, echo)
	for range 20 {
		dial(t, s) // says nothing
		if _, err := dial(t, s).Write([]byte{0x16}); err != nil {
			t.Fatal(err) // begins a handshake and says no more
		}
	}
	get(t, s, "http")
	get(t, s, "https")
}

func TestClientsThatDoNotGoOnAreCutOff(t *testing.T) {
	s := serve(t, 50*time.Millisecond, echo)
	for name, opening := range map[string][]byte{
		"silent": nil, "half a handshake": {0x16, 3, 1}, "half a header": []byte("GET / HT"),
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, s)
			if _, err := conn.Write(opening); err != nil {
				t.Fatal(err)
			}
			// The end of the stream is the outcome; the deadline only keeps a failure short.
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Errorf("the server holds on to the connection: %v", err)
			}
		})
	}
}

func TestGarbageIsRefused(t *testing.T) {
	s := serve(t, time.Minute, echo)
	for name, garbage := range map[string]string{
		"no protocol": "\x00\x01\x02\x03\r\n\r\n", "SSH": "SSH-2.0-client\r\n\r\n",
		"a broken handshake": "\x16garbage that is no record at all, and long enough to be read as one",
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, s)
			if _, err := io.WriteString(conn, garbage); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			answer, err := io.ReadAll(conn)
			if errors.Is(err, net.ErrClosed) || isTimeout(err) {
				t.Errorf("no end: %v", err)
			}
			if strings.Contains(string(answer), "200 OK") {
				t.Errorf("served: %q", answer)
			}
		})
	}
	get(t, s, "http")
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// A reader that finds that a connection is not for it gives back what it has read.
func TestUnread(t *testing.T) {
	server, client := configs()
	for _, secure := range []bool{false, true} {
		ours, theirs := net.Pipe()
		conn, err := bothtls.NewListener(one{ours}, server).Accept()
		if err != nil {
			t.Fatal(err)
		}
		if secure {
			theirs = tls.Client(theirs, client)
		}
		go func() {
			defer theirs.Close()
			for _, sent := range []string{"one", "two", "three"} {
				if _, err := io.WriteString(theirs, sent); err != nil {
					t.Error(err)
				}
			}
		}()

		// All of it is read twice, the second time in little pieces.
		var read string
		for buf := make([]byte, 100); ; {
			n, err := conn.Read(buf)
			conn.(*bothtls.Conn).Unread(buf[:n])
			for range n {
				if n, err := conn.Read(buf[:1]); n != 1 || err != nil {
					t.Errorf("read %d bytes, %v", n, err)
				}
				read += string(buf[:1])
			}
			if err != nil {
				break
			}
		}
		if read != "onetwothree" {
			t.Errorf("TLS %v: %q", secure, read)
		}
		_ = conn.Close()
	}
}

// An engine that takes connections over needs the network's own one, and bytes that the client
// sent right behind its request must reach it.
func TestHijackedConnection(t *testing.T) {
	kinds := make(chan bool, 2)
	s := serve(t, time.Minute, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		both := conn.(*bothtls.Conn)
		if _, ok := both.NetConn().(*net.TCPConn); !ok {
			t.Errorf("the network's connection is a %T", both.NetConn())
		}
		kinds <- both.TLS() != nil
		line, err := rw.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(conn, "got "+line)
	}))
	plain := dial(t, s)
	secure := tls.Client(dial(t, s), s.client)
	for i, conn := range []net.Conn{plain, secure} {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\nhello\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-kinds; got != (i == 1) {
			t.Errorf("connection %d: TLS is %v", i, got)
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "got hello\n" {
			t.Errorf("connection %d: %q, %v", i, line, err)
		}
	}
}

// recorder is a connection of somebody else's below TLS.
type recorder struct {
	net.Conn
	read, wrote int
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.read += n
	return n, err
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote += len(b)
	return r.Conn.Write(b)
}

func TestRebase(t *testing.T) {
	s := serve(t, time.Minute, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		both := conn.(*bothtls.Conn)
		other := &recorder{Conn: both.NetConn()}
		secure := both.Rebase(other)
		if secure != both.TLS() || both.NetConn() != net.Conn(other) {
			t.Error("the connection is not the other's")
		}
		var to io.ReadWriter = other
		if secure != nil {
			to = secure
		}
		_, _ = io.WriteString(to, "go on\n")
		if rw.Reader.Buffered() > 0 {
			t.Error("the client wrote too soon")
		}
		line, err := bufio.NewReader(to).ReadString('\n')
		if line != "hello\n" || err != nil {
			t.Errorf("%q, %v", line, err)
		}
		_, _ = io.WriteString(to, "got it\n")
		if other.read < len("hello\n") || other.wrote < len("go on\ngot it\n") {
			t.Errorf("the other connection moved %d and %d bytes", other.read, other.wrote)
		}
	}))
	plain := dial(t, s)
	for _, conn := range []net.Conn{plain, tls.Client(dial(t, s), s.client)} {
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		br := bufio.NewReader(conn)
		for _, turn := range [][2]string{{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "go on\n"}, {"hello\n", "got it\n"}} {
			if _, err := io.WriteString(conn, turn[0]); err != nil {
				t.Fatal(err)
			}
			if line, err := br.ReadString('\n'); line != turn[1] {
				t.Errorf("%q, %v", line, err)
			}
		}
	}
}

func TestCloseWhileUndecided(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	conn, err := bothtls.NewListener(one{ours}, &tls.Config{}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		failed <- err
	}()
	_ = conn.Close()
	if err := <-failed; err == nil {
		t.Error("the read goes on")
	}
}

// one is a listener with one connection.
type one struct{ conn net.Conn }

func (o one) Accept() (net.Conn, error) { return o.conn, nil }
func (one) Close() error                { return nil }
func (one) Addr() net.Addr              { return nil }
