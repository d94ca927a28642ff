package browser_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/carillon-chat/carillon/internal/app/browser"
	"github.com/carillon-chat/carillon/internal/config"
)

func request(host string, header map[string]string) *http.Request {
	r := httptest.NewRequest("GET", "/app-instances", nil)
	r.Host = host
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r
}

// reason is why the guard refuses, empty when it does not.
func reason(t *testing.T, g *browser.Guard, r *http.Request) browser.Reason {
	t.Helper()
	err := g.Check(r)
	var refused *browser.Refusal
	if err != nil && (!errors.As(err, &refused) || refused.Answer.Status != http.StatusForbidden) {
		t.Fatal(err)
	}
	if refused == nil {
		return ""
	}
	return refused.Reason
}

func TestPublishedKeysAreForPagesOfThisMachineAlone(t *testing.T) {
	const own = "localhost:24463"
	g := browser.New(browser.Options{
		Origins: []string{config.LoopbackOrigins}, Loopback: true, Hosts: []string{"chat.test:24463", "192.0.2.7:24463"}, Links: true})
	for _, test := range []struct {
		name, host string
		header     map[string]string
		want       browser.Reason
	}{
		{"a program", own, nil, ""},
		{"a health check in HTTP/1.0", "", nil, ""},
		{"another port, forwarded", "localhost:8080", nil, ""},
		{"IPv4", "127.0.0.1:24463", nil, ""},
		{"IPv6", "[::1]:24463", nil, ""},
		{"IPv6 without port", "[::1]", nil, ""},
		{"public host", "Chat.Test", nil, ""},
		{"address that is listened on", "192.0.2.7:24463", nil, ""},
		{"own page", own, map[string]string{"Origin": "http://" + own, "Sec-Fetch-Site": "same-origin"}, ""},
		{"own page over TLS", own, map[string]string{"Origin": "https://" + own}, ""},
		{"own page under the public host", "chat.test", map[string]string{"Origin": "https://chat.test"}, ""},
		{"page of another local server", own, map[string]string{"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, ""},
		{"the same by address", own, map[string]string{"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "cross-site"}, ""},
		{"the same by IPv6 over TLS", own, map[string]string{"Origin": "https://[::1]"}, ""},
		{"typed by a person", own, map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, ""},
		{"link on another site", own, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, ""},

		{"rebound name", "evil.example:24463", nil, browser.ForeignHost},
		{"rebound name, same origin", "evil.example", map[string]string{"Origin": "http://evil.example"}, browser.ForeignHost},
		{"own name as a prefix", "localhost.evil.example", nil, browser.ForeignHost},
		{"own name before a port that is none", "localhost:24463.evil.example", nil, browser.ForeignHost},
		{"address of a neighbour", "192.0.2.8", nil, browser.ForeignHost},
		{"bare IPv6", "::1", nil, browser.ForeignHost},
		{"broken IPv6", "[::1", nil, browser.ForeignHost},
		{"page of another site", own, map[string]string{"Origin": "https://evil.example"}, browser.ForeignOrigin},
		{"page of another site over plain HTTP", own, map[string]string{"Origin": "http://evil.example:39200", "Sec-Fetch-Site": "cross-site"}, browser.ForeignOrigin},
		{"loopback as a prefix", own, map[string]string{"Origin": "http://localhost.evil.example"}, browser.ForeignOrigin},
		{"loopback as the user", own, map[string]string{"Origin": "http://localhost@evil.example"}, browser.ForeignOrigin},
		{"sandboxed page", own, map[string]string{"Origin": "null"}, browser.ForeignOrigin},
		{"empty origin", own, map[string]string{"Origin": ""}, browser.ForeignOrigin},
		{"file", own, map[string]string{"Origin": "file://"}, browser.ForeignOrigin},
		{"extension", own, map[string]string{"Origin": "chrome-extension://localhost"}, browser.ForeignOrigin},
		{"frame of another site", own, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, browser.ForeignSite},
		{"image of another site", own, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, browser.ForeignSite},
	} {
		if got := reason(t, g, request(test.host, test.header)); got != test.want {
			t.Errorf("%s: refused for %q, want %q", test.name, got, test.want)
		}
	}
	twice := request(own, nil)
	twice.Header["Origin"] = []string{"http://localhost", "http://evil.example"}
	if reason(t, g, twice) != browser.ForeignOrigin {
		t.Error("two origins are accepted")
	}
}

func TestAllowedOriginsAreASetting(t *testing.T) {
	const evil = "https://evil.example"
	for _, test := range []struct {
		name    string
		origins []string
		origin  string
		want    browser.Reason
	}{
		{"all", []string{"*"}, evil, ""},
		{"all, sandboxed", []string{"*"}, "null", ""},
		{"one of them", []string{"https://a.test", "https://b.test"}, "https://b.test", ""},
		{"none of them", []string{"https://a.test", "https://b.test"}, evil, browser.ForeignOrigin},
		{"other scheme", []string{"https://a.test"}, "http://a.test", browser.ForeignOrigin},
		{"wildcard", []string{"https://*.test"}, "https://a.test", ""},
		{"wildcard that does not fit", []string{"https://*.test"}, "https://.test.evil.example", browser.ForeignOrigin},
		{"halves of a wildcard overlap", []string{"https://a*a.test"}, "https://a.test", browser.ForeignOrigin},
		{"own page", []string{"https://a.test"}, "https://messaging.example", ""},
		{"this machine's pages beside others", []string{"https://a.test", config.LoopbackOrigins}, "http://localhost:3000", ""},
	} {
		g := browser.New(browser.Options{Origins: test.origins, Links: true})
		if got := reason(t, g, request("messaging.example", map[string]string{"Origin": test.origin})); got != test.want {
			t.Errorf("%s: refused for %q, want %q", test.name, got, test.want)
		}
	}
	image := map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
	for origins, want := range map[string]browser.Reason{"*": "", "https://a.test": browser.ForeignSite} {
		if got := reason(t, browser.New(browser.Options{Origins: []string{origins}}), request("h", image)); got != want {
			t.Errorf("an image of another site with %s: %q, want %q", origins, got, want)
		}
	}
	g := browser.New(browser.Options{Origins: []string{"*"}})
	g.Allow([]string{"https://a.test"})
	if reason(t, g, request("h", map[string]string{"Origin": evil})) != browser.ForeignOrigin {
		t.Error("the former origins are still allowed")
	}
	if reason(t, g, request("messaging-chime.us-east-1.amazonaws.com", nil)) != "" {
		t.Error("a name of AWS's that points here is refused although the keys are one's own")
	}
}
