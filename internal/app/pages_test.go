package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// send sends a signed request to the node's port with the given Host and headers, as a page with the
// root keys can have a browser do, and returns the status.
func (n node) send(t *testing.T, method, path, host string, header map[string]string) int {
	t.Helper()
	p := n.Peer()
	p.Base = "http://" + host
	r, err := p.Request(t.Context(), method, path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Host = n.Addr() // r.Host stays
	for name, value := range header {
		r.Header.Set(name, value)
	}
	got, err := p.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return got.Status
}

// upgrade asks for a WebSocket as root, and returns the status.
func (n node) upgrade(t *testing.T, host, origin string) int {
	t.Helper()
	p := n.Peer()
	p.Base = "http://" + host
	target, err := p.Presign(n.Seeded().UserARNs[0], time.Now(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	conn, resp, err := websocket.Dial(t.Context(), strings.Replace(target, host, n.Addr(), 1),
		&websocket.DialOptions{HTTPClient: n.HTTP, HTTPHeader: header, Host: host})
	if err == nil {
		_ = conn.CloseNow()
	} else if resp == nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// The root keys are published, so the signature of a page proves nothing: its origin has to do.
func TestPagesOfOtherSitesAreRefusedWithThePublishedKeys(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	port := n.Addr()[strings.LastIndex(n.Addr(), ":"):]
	for _, test := range []struct {
		name, host, origin string
		refused            bool
	}{
		{"a program", n.PublicHost(), "", false},
		{"own page", n.PublicHost(), "http://" + n.PublicHost(), false},
		{"page of a local server", n.PublicHost(), "http://localhost:3000", false},
		{"page of another site", n.PublicHost(), "http://evil.example:39200", true},
		{"rebound name", "evil.example" + port, "", true},
		{"rebound name, same origin", "evil.example" + port, "http://evil.example" + port, true},
	} {
		header := map[string]string{}
		if test.origin != "" {
			header["Origin"] = test.origin
		}
		for door, call := range map[string]func() (status, want int){
			"GET":       func() (int, int) { return n.send(t, "GET", "/app-instances", test.host, header), 200 },
			"preflight": func() (int, int) { return n.send(t, "OPTIONS", "/app-instances", test.host, header), 204 },
			"connect":   func() (int, int) { return n.upgrade(t, test.host, test.origin), 101 },
			"page":      func() (int, int) { return n.send(t, "GET", "/chat/", test.host, header), 200 },
			"explain":   func() (int, int) { return n.send(t, "GET", "/_carillon/explain/connect", test.host, header), 200 },
		} {
			status, want := call()
			if test.refused {
				want = 403
			}
			if status != want {
				t.Errorf("%s, %s: %d, want %d", test.name, door, status, want)
			}
		}
	}
	if !strings.Contains(n.Log.String(), "blocked a request of a web page") {
		t.Error("the log does not help the page's developer")
	}
}

// With keys of one's own, a name of AWS's may be pointed here, and pages are chosen by a setting.
func TestOwnKeysLeaveTheHostFreeAndPagesToTheSetting(t *testing.T) {
	n := start(t, lab.Settings(t, config.Serve, map[string]string{"allowed-origins": "https://app.example"}))
	for name, test := range map[string]struct {
		host, origin string
		want         int
	}{
		"name of AWS":   {"messaging-chime.us-east-1.amazonaws.com", "", 200},
		"named page":    {n.PublicHost(), "https://app.example", 200},
		"another page":  {n.PublicHost(), "https://evil.example", 403},
		"the same site": {n.PublicHost(), "http://" + n.PublicHost(), 200},
	} {
		header := map[string]string{}
		if test.origin != "" {
			header["Origin"] = test.origin
		}
		if got := n.send(t, "GET", "/app-instances", test.host, header); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestRandomKeysBelongToTheDataFolder(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, map[string]string{"random-keys": "true"})
	works := func(n node, id, secret string) bool {
		got, err := n.at("http", sigv4.Credentials{AccessKeyID: id, SecretAccessKey: secret}).Send(t.Context(), "GET", "/app-instances", "", nil)
		return err == nil && got.Status == 200
	}
	published := cfg
	published.RandomKeys = false
	start(t, published).Stop() // the folder may have been used before

	n := start(t, cfg)
	id, secret := n.DevKeys()
	if !works(n, id, secret) || works(n, config.DevAccessKeyID, config.DevSecretAccessKey) {
		t.Errorf("the random keys do not work, or the published ones do")
	}
	info, err := os.Stat(filepath.Join(cfg.Data, "root-keys.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	n.Stop()
	n = start(t, cfg)
	if again, _ := n.DevKeys(); again != id || !works(n, id, secret) {
		t.Error("the keys are others after a restart")
	}
	n.Stop()

	if n, err := app.New(t.Context(), published, app.Deps{}); err == nil {
		_ = n.Close()
		t.Error("the published keys open the folder again")
	} else if !strings.Contains(err.Error(), "--random-keys") || !strings.Contains(err.Error(), "--fresh") {
		t.Error(err)
	}
	published.Fresh = true
	start(t, published).Stop()
	published.Fresh = false
	start(t, published).Stop()
	other := start(t, lab.Settings(t, config.Dev, map[string]string{"random-keys": "true"}))
	if otherID, otherSecret := other.DevKeys(); otherID == id || otherSecret == secret {
		t.Error("two folders have the same keys")
	}
}
