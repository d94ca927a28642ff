package trustedproxy_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/carillon-chat/carillon/internal/app/trustedproxy"
)

// trusted are the networks of the tests: two tiers of proxies.
var trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}

type header = http.Header

func TestForwardingHeaders(t *testing.T) {
	const xff, xfp, std = "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"
	for _, test := range []struct {
		name   string
		which  string
		peer   string
		header header
		remote string // what next sees
		secure string // "", "yes" or "no"
	}{
		{"no proxy", trustedproxy.XForwardedFor, "192.0.2.1:9", header{}, "192.0.2.1:9", ""},
		{"a stranger's word", trustedproxy.XForwardedFor, "192.0.2.1:9", header{xff: {"203.0.113.9"}, xfp: {"https"}}, "192.0.2.1:9", ""},
		{"a stranger's other word", trustedproxy.Forwarded, "192.0.2.1:9", header{std: {"for=203.0.113.9;proto=https"}}, "192.0.2.1:9", ""},
		{"a silent proxy", trustedproxy.XForwardedFor, "10.1.1.1:9", header{}, "10.1.1.1:9", ""},

		{"one proxy", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"203.0.113.9"}, xfp: {"https"}}, "203.0.113.9:0", "yes"},
		{"plain HTTP", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"203.0.113.9"}, xfp: {"http"}}, "203.0.113.9:0", "no"},
		{"WebSocket schemes", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"203.0.113.9"}, xfp: {"WSS"}}, "203.0.113.9:0", "yes"},
		{"scheme alone", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xfp: {"https"}}, "10.1.1.1:9", "yes"},
		{"unknown scheme", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"203.0.113.9"}, xfp: {"gopher"}}, "203.0.113.9:0", ""},
		{"two proxies", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"203.0.113.9, 10.2.2.2"}, xfp: {"https"}}, "203.0.113.9:0", "yes"},
		{"two proxies, two lines", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"203.0.113.9", "10.2.2.2"}}, "203.0.113.9:0", ""},
		{"the client forged a hop", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"198.51.100.7, 203.0.113.9"}}, "203.0.113.9:0", ""},
		{"the client forged a trusted hop", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"198.51.100.7, 10.9.9.9, 203.0.113.9"}}, "203.0.113.9:0", ""},
		{"the client forged a scheme", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"203.0.113.9"}, xfp: {"https, http"}}, "203.0.113.9:0", "no"},
		{"from within", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"10.3.3.3"}}, "10.3.3.3:0", ""},
		{"with a port", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"203.0.113.9:4711"}}, "203.0.113.9:4711", ""},
		{"IPv6", trustedproxy.XForwardedFor, "[2001:db8:1::1]:9", header{xff: {"2001:db8::7"}}, "[2001:db8::7]:0", ""},
		{"IPv6 with a port", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"[2001:db8::7]:4711"}}, "[2001:db8::7]:4711", ""},
		{"IPv4 in IPv6", trustedproxy.XForwardedFor, "[::ffff:10.1.1.1]:9", header{xff: {"::ffff:203.0.113.9"}}, "203.0.113.9:0", ""},
		{"no address", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"unknown"}, xfp: {"https"}}, "10.1.1.1:9", "yes"},
		{"no address behind a hop", trustedproxy.XForwardedFor, "10.1.1.1:9", header{xff: {"203.0.113.9, pwned, 10.2.2.2"}}, "10.2.2.2:0", ""},
		{"the other header", trustedproxy.XForwardedFor, "10.1.1.1:9", header{std: {"for=198.51.100.7;proto=https"}, xff: {"203.0.113.9"}}, "203.0.113.9:0", ""},

		{"RFC 7239", trustedproxy.Forwarded, "10.1.1.1:9", header{std: {"for=203.0.113.9;proto=https;host=chat.example"}}, "203.0.113.9:0", "yes"},
		{"RFC 7239, quoted", trustedproxy.Forwarded, "10.1.1.1:9", header{std: {`For="[2001:db8::7]:4711"; Proto="HTTPS"`}}, "[2001:db8::7]:4711", "yes"},
		{"RFC 7239, two proxies", trustedproxy.Forwarded, "10.1.1.1:9", header{std: {"for=203.0.113.9;proto=https, for=10.2.2.2;proto=http"}}, "203.0.113.9:0", "yes"},
		{"RFC 7239, two lines", trustedproxy.Forwarded, "10.1.1.1:9", header{std: {"for=203.0.113.9;proto=https", "for=10.2.2.2;proto=http"}}, "203.0.113.9:0", "yes"},
		{"RFC 7239, forged", trustedproxy.Forwarded, "10.1.1.1:9", header{std: {"for=198.51.100.7;proto=https, for=203.0.113.9;proto=http"}}, "203.0.113.9:0", "no"},
		{"RFC 7239, hidden", trustedproxy.Forwarded, "10.1.1.1:9", header{std: {"for=_gazonk;proto=https"}}, "10.1.1.1:9", "yes"},
		{"RFC 7239, an open quote", trustedproxy.Forwarded, "10.1.1.1:9", header{std: {`for="203.0.113.9`}}, "10.1.1.1:9", ""},
		{"RFC 7239, no grammar", trustedproxy.Forwarded, "10.1.1.1:9", header{std: {"for=203.0.113.9 proto=https"}}, "10.1.1.1:9", ""},
		{"RFC 7239, a quoted comma", trustedproxy.Forwarded, "10.1.1.1:9", header{std: {`for="a,for=198.51.100.7;proto=https", for=203.0.113.9`}}, "203.0.113.9:0", ""},
		{"RFC 7239 and the other header", trustedproxy.Forwarded, "10.1.1.1:9", header{xff: {"198.51.100.7"}, xfp: {"https"}, std: {"for=203.0.113.9"}}, "203.0.113.9:0", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := trustedproxy.New(trustedproxy.Options{Networks: trusted, Header: test.which})
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr, r.Header = test.peer, test.header
			p.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				secure := ""
				if yes, known := trustedproxy.Secure(r.Context()); known {
					secure = map[bool]string{true: "yes", false: "no"}[yes]
				}
				if r.RemoteAddr != test.remote || secure != test.secure {
					t.Errorf("from %s, secure %q; want %s, %q", r.RemoteAddr, secure, test.remote, test.secure)
				}
			})).ServeHTTP(httptest.NewRecorder(), r)
			if r.RemoteAddr != test.peer {
				t.Error("the server's own request is changed")
			}
		})
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add(`for="[2001:db8::7]:4711"; proto=https, for=10.2.2.2`)
	p := trustedproxy.New(trustedproxy.Options{Networks: trusted, Header: trustedproxy.Forwarded})
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header = "10.1.1.1:9", header{"Forwarded": {value}}
		p.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := netip.ParseAddrPort(r.RemoteAddr); err != nil {
				t.Error(err)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	})
}
