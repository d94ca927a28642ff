package outbound_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/outbound"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// names is a resolver that answers each look-up of a name with the next of its answers, and the last again.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
	lookups int
}

func (n *names) LookupNetIP(_ context.Context, _, host string) (found []netip.Addr, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lookups++
	answers := n.answers[host]
	if len(answers) == 0 {
		return nil, fmt.Errorf("%s is not known", host)
	}
	for _, text := range answers[0] {
		found = append(found, netip.MustParseAddr(text))
	}
	if len(answers) > 1 {
		n.answers[host] = answers[1:]
	}
	return found, nil
}

func get(t *testing.T, c *outbound.Client, url string, limit int64) (*outbound.Answer, error) {
	t.Helper()
	t.Cleanup(c.Close)
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(t.Context(), request, limit)
}

func serve(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

// raw serves one connection after another by hand.
func raw(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					handle(conn)
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

func TestAnswers(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Kind", "test")
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprint(w, r.Method+" "+r.URL.Path)
	})
	answer, err := get(t, outbound.New(outbound.Options{Networks: loopback}), url+"/path", 9)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusTeapot || answer.Header.Get("X-Kind") != "test" || string(answer.Body) != "GET /path" {
		t.Errorf("%d %v %q", answer.Status, answer.Header, answer.Body)
	}
}

func TestPrivateNetworksAreRefused(t *testing.T) {
	var served atomic.Int32
	url := serve(t, func(http.ResponseWriter, *http.Request) { served.Add(1) })
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	resolver := &names{answers: map[string][][]string{
		"loopback.example": {{"127.0.0.1"}},
		"mixed.example":    {{"8.8.8.8", "127.0.0.1"}},
		"mapped.example":   {{"::ffff:127.0.0.1"}},
	}}
	for _, target := range []string{
		url, "http://[::ffff:127.0.0.1]:" + port, "http://[64:ff9b::7f00:1]:" + port, "http://[2002:7f00:1::1]:" + port, "http://0.0.0.0:" + port,
		"http://loopback.example:" + port, "http://mixed.example:" + port, "http://mapped.example:" + port,
		"https://loopback.example:" + port, "https://mixed.example:" + port, "https://127.0.0.1:" + port,
		"http://169.254.169.254", "https://10.0.0.1", "https://[fd00:ec2::254]", "http://8.8.8.8", "ftp://8.8.8.8", "file:///etc/passwd",
	} {
		if _, err := get(t, outbound.New(outbound.Options{Resolver: resolver}), target, 1); !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if served.Load() != 0 {
		t.Errorf("%d calls came through", served.Load())
	}

	for name, options := range map[string]outbound.Options{
		"http://127.0.0.1:":          {Networks: loopback},
		"http://[::ffff:127.0.0.1]:": {Networks: loopback},
		"http://loopback.example:":   {Networks: loopback, Resolver: resolver},
		"http://Loopback.example.:":  {Hosts: []string{"LOOPBACK.example"}, Resolver: &names{answers: map[string][][]string{"Loopback.example.": {{"127.0.0.1"}}}}},
	} {
		if _, err := get(t, outbound.New(options), name+port, 1); err != nil {
			t.Errorf("%s, which is allowed: %v", name, err)
		}
	}
}

// TestNamesThatChange has a name that resolves to an allowed address and to another one by turns.
func TestNamesThatChange(t *testing.T) {
	var inner atomic.Int32
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	listener, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Skipf("this machine has one loopback address: %v", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inner.Add(1) })}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })

	resolver := &names{answers: map[string][][]string{"rebound.example": {{"127.0.0.1"}, {"127.0.0.2"}, {"127.0.0.1"}, {"127.0.0.2"}}}}
	client := outbound.New(outbound.Options{Networks: loopback, Resolver: resolver})
	for i, allowed := range []bool{true, false, true, false} {
		if _, err := get(t, client, "http://rebound.example:"+port, 1); (err == nil) != allowed || (!allowed && !errors.Is(err, outbound.ErrRefused)) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if inner.Load() != 0 || resolver.lookups != 4 {
		t.Errorf("%d calls reached the other address, with %d look-ups; want 0 with 4", inner.Load(), resolver.lookups)
	}
}

// TestDeadAddresses has a name whose first address answers nothing.
func TestDeadAddresses(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	resolver := &names{answers: map[string][][]string{"two.example": {{"127.0.0.3", "127.0.0.1"}}}}
	client := outbound.New(outbound.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Resolver: resolver})
	if _, err := get(t, client, "http://two.example:"+port, 1); err != nil {
		t.Error(err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/next" {
			followed.Add(1)
		}
		http.Redirect(w, r, "/next", http.StatusTemporaryRedirect)
	})
	answer, err := get(t, outbound.New(outbound.Options{Networks: loopback}), url, 1<<10)
	if err != nil || answer.Status != http.StatusTemporaryRedirect || followed.Load() != 0 {
		t.Errorf("%+v, %v, followed %d times", answer, err, followed.Load())
	}
}

// TestSlowEnds has ends that never finish: the time-out of the call ends it at any step. Each end writes
// until the client has gone.
func TestSlowEnds(t *testing.T) {
	gone := func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }
	for name, handle := range map[string]func(net.Conn){
		"no head": gone,
		"half a head": func(conn net.Conn) {
			_, _ = fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nX-A: ")
			gone(conn)
		},
		"half a body": func(conn net.Conn) {
			_, _ = fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
			gone(conn)
		},
		"chunks without end": func(conn net.Conn) {
			_, err := fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for err == nil {
				_, err = fmt.Fprint(conn, "1\r\nx\r\n")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := outbound.New(outbound.Options{Networks: loopback, Timeout: 100 * time.Millisecond})
			if _, err := get(t, client, raw(t, handle), 1<<30); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
	}

	// The caller's context ends a call as well.
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequest(http.MethodGet, raw(t, func(conn net.Conn) { cancel(); gone(conn) }), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := outbound.New(outbound.Options{Networks: loopback, Timeout: time.Hour}).Do(ctx, request, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a call of a caller that left: %v", err)
	}
}

func TestHugeAnswers(t *testing.T) {
	endless := func(start, piece string) func(net.Conn) {
		return func(conn net.Conn) {
			_, err := fmt.Fprint(conn, start)
			for piece := strings.Repeat(piece, 100); err == nil; {
				_, err = fmt.Fprint(conn, piece)
			}
		}
	}
	client := outbound.New(outbound.Options{Networks: loopback, Timeout: time.Hour})
	for name, handle := range map[string]func(net.Conn){
		"a head":    endless("HTTP/1.1 200 OK\r\n", "X-Header: value\r\n"),
		"a header":  endless("HTTP/1.1 200 OK\r\nX-Header: ", "value"),
		"heads":     endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
		"no length": endless("HTTP/1.1 200 OK\r\n\r\n", "value"),
		"a length":  endless("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", "value"),
		"chunks":    endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nvalue\r\n"),
	} {
		if _, err := get(t, client, raw(t, handle), 1000); err == nil {
			t.Errorf("%s without end is an answer", name)
		} else if strings.Contains(name, "head") == errors.Is(err, outbound.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	if _, err := get(t, outbound.New(outbound.Options{Networks: loopback}), server.URL, 100); err == nil {
		t.Error("a certificate of an unknown authority is trusted")
	}
	trusting := outbound.New(outbound.Options{Networks: loopback, Roots: roots, Resolver: &names{answers: map[string][][]string{
		"example.com": {{"127.0.0.1"}}, "other.example": {{"127.0.0.1"}},
	}}})
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")
	if answer, err := get(t, trusting, "https://example.com:"+port, 100); err != nil || string(answer.Body) != "HTTP/2.0" {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, err := get(t, trusting, "https://other.example:"+port, 100); err == nil {
		t.Error("a certificate for another name is accepted")
	}

	old := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	t.Cleanup(old.Close)
	if _, err := get(t, trusting, old.URL, 100); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
}

// TestNoProxy sets a proxy in the environment, where each address is one.
func TestNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	resolver := &names{answers: map[string][][]string{"target.example": {{"127.0.0.1"}}}}
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	answer, err := get(t, outbound.New(outbound.Options{Networks: loopback, Resolver: resolver}), "http://target.example:"+port, 1)
	if err != nil || answer.Status != http.StatusOK {
		t.Errorf("%+v, %v", answer, err)
	}
}

// TestConnectionsAreKept: calls at once are made over as many connections, and so are the next.
func TestConnectionsAreKept(t *testing.T) {
	const atOnce = 64
	var opened atomic.Int32
	var arrived sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived.Done()
		arrived.Wait() // until all calls are there
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := outbound.New(outbound.Options{Networks: loopback})
	for range 3 {
		arrived.Add(atOnce)
		var calls sync.WaitGroup
		for range atOnce {
			calls.Go(func() {
				request, err := http.NewRequest(http.MethodGet, server.URL, nil)
				if err == nil {
					_, err = client.Do(t.Context(), request, 1)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	}
	client.Close()
	if n := opened.Load(); n != atOnce {
		t.Errorf("%d connections were opened for %d calls at once", n, atOnce)
	}
}

func TestDialing(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	address := strings.TrimPrefix(url, "http://")
	for _, secure := range []bool{true, false} {
		if _, err := outbound.New(outbound.Options{}).Dial(t.Context(), secure, "tcp", address); !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("a private address: %v", err)
		}
		conn, err := outbound.New(outbound.Options{Networks: loopback}).Dial(t.Context(), secure, "tcp", address)
		if err != nil {
			t.Errorf("an allowed address: %v", err)
			continue
		}
		_ = conn.Close()
	}
	if _, err := outbound.New(outbound.Options{}).Dial(t.Context(), false, "tcp", "8.8.8.8:80"); !errors.Is(err, outbound.ErrRefused) {
		t.Errorf("a public address without TLS: %v", err)
	}
}

func TestErrorsKeepSecrets(t *testing.T) {
	resolver := &names{answers: map[string][][]string{"inner.example": {{"10.0.0.1"}}}}
	_, err := get(t, outbound.New(outbound.Options{Resolver: resolver}), "https://user:password@inner.example/secret-path?token=secret-token", 1)
	if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "password") || !strings.Contains(err.Error(), "GET inner.example") {
		t.Errorf("%v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	const date = "Mon, 23 Nov 2026 09:00:00 GMT"
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "-1": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0,
		"Mon, 23 Nov 2026 09:00:30 GMT": 30 * time.Second, "Mon, 23 Nov 2026 08:00:00 GMT": 0,
	} {
		answer := outbound.Answer{Header: http.Header{"Retry-After": {text}, "Date": {date}}}
		if got := answer.RetryAfter(); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
	if got := (&outbound.Answer{Header: http.Header{"Retry-After": {date}}}).RetryAfter(); got != 0 {
		t.Errorf("a date of an answer without one is %v", got)
	}
}

// TestCertificates calls a server that asks for a certificate.
func TestCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "com.example.chat"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	own := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	answer, err := get(t, outbound.New(outbound.Options{Networks: loopback, Roots: roots, Certificates: []tls.Certificate{own}}), server.URL, 100)
	if err != nil || string(answer.Body) != "com.example.chat" {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, err := get(t, outbound.New(outbound.Options{Networks: loopback, Roots: roots}), server.URL, 100); err == nil {
		t.Error("the server answers a client without certificate")
	}
}
