package trustedproxy_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"github.com/carillon-chat/carillon/internal/app/trustedproxy"
)

// accepted connects to a listener that trusts loopback, or not, sends text and returns the server's end.
func accepted(t *testing.T, o trustedproxy.Options, loopback bool, text string) (server net.Conn, client net.Conn) {
	t.Helper()
	if loopback {
		o.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	o.Protocol = true
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := trustedproxy.New(o).Listener(inner)
	t.Cleanup(func() { _ = listener.Close() })
	if client, err = net.Dial("tcp", inner.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if server, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if _, err := io.WriteString(client, text); err != nil {
		t.Fatal(err)
	}
	return server, client
}

func version2(t *testing.T, h *proxyproto.Header, tlvs ...proxyproto.TLV) string {
	t.Helper()
	h.Version = 2
	if err := h.SetTLVs(tlvs); err != nil {
		t.Fatal(err)
	}
	text, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHeadersOfTheProtocol(t *testing.T) {
	from, to := &net.TCPAddr{IP: net.ParseIP("203.0.113.9"), Port: 4711}, &net.TCPAddr{IP: net.ParseIP("10.1.1.1"), Port: 443}
	ssl, err := tlvparse.PP2SSL{Client: tlvparse.PP2_BITFIELD_CLIENT_SSL, Verify: 0, TLV: []proxyproto.TLV{
		{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte("TLSv1.3")}}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	own := "the proxy"
	for name, test := range map[string]struct {
		header, remote string
		secure         bool
	}{
		"version 1":          {"PROXY TCP4 203.0.113.9 10.1.1.1 4711 443\r\n", "203.0.113.9:4711", false},
		"version 1, IPv6":    {"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "[2001:db8::7]:4711", false},
		"version 1, unknown": {"PROXY UNKNOWN\r\n", own, false},
		"version 2":          {version2(t, &proxyproto.Header{Command: proxyproto.PROXY, TransportProtocol: proxyproto.TCPv4, SourceAddr: from, DestinationAddr: to}), "203.0.113.9:4711", false},
		"version 2 with TLS": {version2(t, &proxyproto.Header{Command: proxyproto.PROXY, TransportProtocol: proxyproto.TCPv4, SourceAddr: from, DestinationAddr: to}, ssl), "203.0.113.9:4711", true},
		"version 2, local":   {version2(t, &proxyproto.Header{Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}), own, false},
	} {
		t.Run(name, func(t *testing.T) {
			server, client := accepted(t, trustedproxy.Options{}, true, test.header+"hello")
			want := test.remote
			if want == own {
				want = client.LocalAddr().String()
			}
			if got := server.RemoteAddr().String(); got != want {
				t.Errorf("from %s, want %s", got, want)
			}
			if got := server.(*trustedproxy.Conn).Secure(); got != test.secure {
				t.Errorf("secure: %v", got)
			}
			// Engines read the socket itself.
			raw := server.(*trustedproxy.Conn).NetConn()
			var hello [5]byte
			if _, err := io.ReadFull(raw, hello[:]); err != nil || string(hello[:]) != "hello" {
				t.Errorf("behind the header: %q %v", hello, err)
			}
		})
	}
}

func TestConnectionsWithoutTheHeaderAreClosed(t *testing.T) {
	for name, text := range map[string]string{
		"HTTP":                  "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"TLS":                   "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00",
		"endless version 1":     "PROXY TCP4 " + strings.Repeat("1", 200),
		"broken version 1":      "PROXY TCP4 203.0.113.9\r\n  ",
		"large version 2":       string(proxyproto.SIGV2) + "\x21\x11\xff\xff",
		"version 3":             string(proxyproto.SIGV2) + "\x31\x11\x00\x0c" + strings.Repeat("x", 12),
		"version 2, too little": string(proxyproto.SIGV2) + "\x21\x11\x00\x04xxxx",
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			server, client := accepted(t, trustedproxy.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, true, text)
			if n, err := server.Read(make([]byte, 1)); err == nil {
				t.Errorf("read %d bytes", n)
			}
			if server.RemoteAddr().String() != client.LocalAddr().String() || server.(*trustedproxy.Conn).Secure() {
				t.Error("something of it is believed")
			}
			if !strings.Contains(log.String(), "PROXY") {
				t.Errorf("the log says %q", &log)
			}
		})
	}
}

func TestAWaitForTheHeaderIsBounded(t *testing.T) {
	server, _ := accepted(t, trustedproxy.Options{Timeout: time.Millisecond}, true, "PROXY")
	if _, err := server.Read(make([]byte, 1)); err == nil {
		t.Error("read something")
	}
}

func TestStrangersAreNotAskedForAHeader(t *testing.T) {
	server, client := accepted(t, trustedproxy.Options{Networks: trusted}, false, "PROXY TCP4 203.0.113.9 10.1.1.1 4711 443\r\n")
	var first [5]byte
	if _, err := io.ReadFull(server, first[:]); err != nil || string(first[:]) != "PROXY" {
		t.Errorf("%q %v", first, err)
	}
	if server.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("a stranger calls itself %s", server.RemoteAddr())
	}
}
