package app_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// proxy is a stand-in for one in front of a node: what it adds to requests and connections.
type proxy struct {
	scheme string // to the node
	header map[string]string
	first  string // bytes that begin each connection
}

// peer calls the node through the proxy.
func (p proxy) peer(t *testing.T, n node, keys sigv4.Credentials) lab.Peer {
	transport := n.HTTP.Transport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil && p.first != "" {
			_, err = io.WriteString(conn, p.first)
		}
		return conn, err
	}
	peer := n.at(p.scheme, keys)
	peer.HTTP = &http.Client{Transport: adding{transport, p.header}}
	return peer
}

// adding adds headers to requests.
type adding struct {
	http.RoundTripper
	header map[string]string
}

func (a adding) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	return a.RoundTripper.RoundTrip(r)
}

// list makes a call and open opens a WebSocket through the proxy; both report whether they were allowed.
func (p proxy) list(t *testing.T, n node, keys sigv4.Credentials) bool {
	t.Helper()
	got, err := p.peer(t, n, keys).Send(t.Context(), "GET", "/channels?app-instance-arn="+url.QueryEscape(n.Seeded().AppInstanceARN), n.Seeded().UserARNs[0], nil)
	if err != nil || got.Status != 200 && got.Type() != "AccessDeniedException" {
		t.Fatal(got.Status, got.Type(), err)
	}
	return got.Status == 200
}

func (p proxy) open(t *testing.T, n node, keys sigv4.Credentials) bool {
	t.Helper()
	s, err := p.peer(t, n, keys).Open(t.Context(), n.Seeded().UserARNs[0])
	if err == nil {
		_ = s.CloseNow()
	} else if websocket.CloseStatus(err) != 4401 {
		t.Fatal(err)
	}
	return err == nil
}

const secureClient = `{"Bool":{"aws:SecureTransport":"true"},"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`

// A policy means the client's connection, not the proxy's.
func TestTrustedProxiesTellOfTheClient(t *testing.T) {
	const proxyV1 = "PROXY TCP4 203.0.113.9 127.0.0.1 4711 443\r\n"
	xff := func(client, scheme string) map[string]string {
		return map[string]string{"X-Forwarded-For": client, "X-Forwarded-Proto": scheme}
	}
	type cases map[string]struct {
		proxy   proxy
		allowed bool
	}
	for name, test := range map[string]struct {
		flags map[string]string
		cases cases
	}{
		"headers": {map[string]string{"trusted-proxies": "127.0.0.0/8,::1/128"}, cases{
			"over TLS":          {proxy{"http", xff("203.0.113.9", "https"), ""}, true},
			"over plain HTTP":   {proxy{"http", xff("203.0.113.9", "http"), ""}, false},
			"TLS to the node":   {proxy{"https", xff("203.0.113.9", "http"), ""}, false},
			"another client":    {proxy{"http", xff("198.51.100.7", "https"), ""}, false},
			"forged by another": {proxy{"http", xff("203.0.113.9, 198.51.100.7", "https"), ""}, false},
			"none":              {proxy{"https", nil, ""}, false},
		}},
		"nobody is trusted": {nil, cases{
			"over TLS": {proxy{"https", xff("203.0.113.9", "https"), ""}, false},
		}},
		"PROXY protocol": {map[string]string{"trusted-proxies": "127.0.0.0/8,::1/128", "proxy-protocol": "true"}, cases{
			"TLS to the node":      {proxy{"https", nil, proxyV1}, true},
			"plain to the node":    {proxy{"http", nil, proxyV1}, false},
			"header of the client": {proxy{"http", xff("203.0.113.9", "https"), proxyV1}, false}, // it is no trusted proxy
			"another client":       {proxy{"https", nil, "PROXY TCP4 198.51.100.7 127.0.0.1 4711 443\r\n"}, false},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			first := start(t, lab.Settings(t, config.Dev, nil))
			keys, err := first.Peer().MakeUser(t.Context(), "ann", lab.AllowWhen(secureClient))
			if err != nil {
				t.Fatal(err)
			}
			cfg := first.Config
			first.Stop()
			flags := map[string]string{"data": cfg.Data}
			for key, value := range test.flags {
				flags[key] = value
			}
			n := start(t, lab.Settings(t, config.Dev, flags))
			for name, c := range test.cases {
				if got := c.proxy.list(t, n, keys); got != c.allowed {
					t.Errorf("%s: REST allowed: %v", name, got)
				}
				if got := c.proxy.open(t, n, keys); got != c.allowed {
					t.Errorf("%s: WebSocket allowed: %v", name, got)
				}
			}
		})
	}
}
