package outbound_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/outbound"
)

// proxy is an HTTP proxy whose tunnels all lead to one address. It says first what the target says first.
type proxy struct {
	leads string // host:port
	first string // said in one write with the head

	mu    sync.Mutex
	asked []string // targets of CONNECT
	auth  []string
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked, p.auth = append(p.asked, r.Method+" "+r.Host), append(p.auth, r.Header.Get("Proxy-Authorization"))
	p.mu.Unlock()
	target, err := net.Dial("tcp", p.leads)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = target.Close() }()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"+p.first)
	go func() { _, _ = io.Copy(target, conn); _ = target.Close() }()
	_, _ = io.Copy(conn, target)
}

// take returns what the proxy was asked for since the last call.
func (p *proxy) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := strings.Join(p.asked, ", ")
	p.asked = nil
	return asked
}

// behind runs a server over TLS, HTTP/2 included, and a proxy that leads to it; both have a certificate for example.com
// and 127.0.0.1.
func behind(t *testing.T, secure bool) (p *proxy, at *url.URL, roots *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Proto+" "+r.Host) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	p = &proxy{leads: strings.TrimPrefix(server.URL, "https://")}
	front := httptest.NewUnstartedServer(p)
	if secure {
		front.StartTLS()
	} else {
		front.Start()
	}
	t.Cleanup(front.Close)
	at, err := url.Parse(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return p, at, roots
}

// TestAProxyIsAskedForTheAddressThatWasChecked, whether it speaks plain HTTP or TLS. The certificate is checked against
// the name.
func TestAProxyIsAskedForTheAddressThatWasChecked(t *testing.T) {
	for _, secure := range []bool{false, true} {
		p, at, roots := behind(t, secure)
		at.User = url.UserPassword("user", "pass")
		client := outbound.New(outbound.Options{Proxy: at, Roots: roots, Resolver: &names{answers: map[string][][]string{
			"example.com": {{"8.8.8.8"}}, "other.example": {{"8.8.4.4"}},
		}}})
		answer, err := get(t, client, "https://example.com/x", 100)
		if err != nil || string(answer.Body) != "HTTP/2.0 example.com" || p.take() != "CONNECT 8.8.8.8:443" || p.auth[0] != "Basic dXNlcjpwYXNz" {
			t.Errorf("%+v, %v, %q", answer, err, p.auth)
		}
		if _, err := get(t, client, "https://other.example", 100); err == nil {
			t.Error("a certificate for another name is accepted")
		}
	}
}

// TestAProxyReachesNoMore: what is refused without a proxy is refused with one, before the proxy knows of it.
func TestAProxyReachesNoMore(t *testing.T) {
	p, at, roots := behind(t, false)
	client := outbound.New(outbound.Options{Proxy: at, Roots: roots, Hosts: []string{"listed.example"}, Resolver: &names{answers: map[string][][]string{
		"private.example": {{"10.0.0.1"}}, "mixed.example": {{"8.8.8.8", "127.0.0.1"}}, "metadata.example": {{"169.254.169.254"}}, "public.example": {{"8.8.8.8"}},
	}}})
	for _, target := range []string{
		"https://private.example", "https://mixed.example", "https://metadata.example", "https://127.0.0.1", "https://[::ffff:10.0.0.1]", "http://169.254.169.254",
		"http://public.example", "http://8.8.8.8",
	} {
		if _, err := get(t, client, target, 1); !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if _, err := get(t, client, "https://unknown.example", 1); err == nil {
		t.Error("a name that cannot be resolved is reached")
	}

	// A name that changes: the proxy never sees the private address.
	changing := outbound.New(outbound.Options{Proxy: at, Roots: roots, Resolver: &names{answers: map[string][][]string{"example.com": {{"8.8.8.8"}, {"10.0.0.1"}}}}})
	if _, err := get(t, changing, "https://example.com", 100); err != nil {
		t.Error(err)
	}
	changing.Close()
	if _, err := get(t, changing, "https://example.com", 100); !errors.Is(err, outbound.ErrRefused) {
		t.Errorf("a name that changed: %v", err)
	}
	if asked := p.take(); asked != "CONNECT 8.8.8.8:443" {
		t.Errorf("the proxy is asked for %s", asked)
	}
}

// TestAllowedHostsAndAProxy: a host that outbound-allow names is asked for by name, also when it cannot be resolved, and
// what is private is reached directly.
func TestAllowedHostsAndAProxy(t *testing.T) {
	p, at, roots := behind(t, false)
	_, port, _ := net.SplitHostPort(p.leads)
	client := outbound.New(outbound.Options{
		Proxy: at, Roots: roots, Hosts: []string{"example.com", "inner.example"}, Networks: loopback,
		Resolver: &names{answers: map[string][][]string{"inner.example": {{"127.0.0.1"}}, "listed.example": {{"127.0.0.1"}}}},
	})
	if answer, err := get(t, client, "https://example.com", 100); err != nil || answer.Status != http.StatusOK || p.take() != "CONNECT example.com:443" {
		t.Errorf("%+v, %v", answer, err)
	}
	plain := strings.TrimPrefix(serve(t, func(http.ResponseWriter, *http.Request) {}), "http://127.0.0.1:")
	for _, target := range []string{"https://127.0.0.1:" + port, "http://inner.example:" + plain, "http://listed.example:" + plain} {
		if _, err := get(t, client, target, 100); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	if asked := p.take(); asked != "" {
		t.Errorf("the proxy is asked for %s", asked)
	}
}

// TestBadProxies: one that refuses, one that says nothing, one that never ends, and one that is away. What they are shown
// is in no error.
func TestBadProxies(t *testing.T) {
	at := func(address string) *url.URL {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("user", "secret")
		return u
	}
	refusing := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) })
	silent := raw(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) })
	endless := raw(t, func(conn net.Conn) {
		_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for line := "X-Header: " + strings.Repeat("v", 1000) + "\r\n"; err == nil; {
			_, err = io.WriteString(conn, line)
		}
	})
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = away.Close()
	for _, tc := range []struct {
		name, proxy, says string
		timeout           time.Duration
	}{
		{"refuses", refusing, "the proxy: it answered CONNECT with 407", time.Hour},
		{"says nothing", silent, "deadline", 100 * time.Millisecond},
		{"never ends", endless, "the proxy: ", time.Hour},
		{"is away", "http://" + away.Addr().String(), "the proxy: ", time.Hour},
	} {
		client := outbound.New(outbound.Options{Proxy: at(tc.proxy), Timeout: tc.timeout})
		_, err := get(t, client, "https://8.8.8.8", 1)
		if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("a proxy that %s: %v", tc.name, err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	leaving := raw(t, func(conn net.Conn) { cancel(); _, _ = conn.Read(make([]byte, 1)) })
	_, err = outbound.New(outbound.Options{Proxy: at(leaving), Timeout: time.Hour}).Dial(ctx, true, "tcp", "8.8.8.8:443")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left: %v", err)
	}
}

// TestATargetThatSpeaksFirst through a proxy, as NATS does: nothing of it is lost, and the tunnel outlives the call's time.
func TestATargetThatSpeaksFirst(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "AND MORE\n")
		_, _ = io.Copy(conn, conn)
	}()
	front := httptest.NewServer(&proxy{leads: listener.Addr().String(), first: "INFO "})
	t.Cleanup(front.Close)
	at, err := url.Parse(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := outbound.New(outbound.Options{Proxy: at}).Dial(ctx, true, "tcp", "8.8.8.8:4222")
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "PING\n")
	want := []byte("INFO AND MORE\nPING\n")
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}
