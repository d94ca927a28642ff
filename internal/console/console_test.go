package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/console"
)

const (
	host = "localhost:24463"
	app  = "arn:aws:chime:us-east-1:000000000000:app-instance/a"
)

type backend struct{ broken error }

var alice = console.User{ID: "alice", Name: "Alice", ARN: app + "/user/alice"}

func (b backend) ListUsers(context.Context) ([]console.User, error) {
	return []console.User{alice, {ID: "bob", Name: "Bob", ARN: app + "/user/bob"}}, b.broken
}

func (b backend) IssueCredentials(_ context.Context, id string, duration time.Duration) (console.Credentials, error) {
	if id != alice.ID {
		return console.Credentials{}, api.NotFound("there is no user of that id")
	}
	return console.Credentials{
		User: alice, AccessKeyID: "ASIA1", SecretAccessKey: "secret", SessionToken: "token",
		Expiration: time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("", 3600)).Add(duration),
	}, b.broken
}

func newConsole(t *testing.T, change func(*console.Options)) http.Handler {
	t.Helper()
	o := console.Options{
		PublicHost: host, Hosts: []string{host, "127.0.0.1:24463", "[::1]:24463"}, Log: slog.New(slog.DiscardHandler),
		Explainer: new(explainer), Secure: plaintext,
		Dev: &console.Dev{Region: "us-east-1", AppInstanceARN: app, Users: backend{}, Issuer: backend{}},
	}
	if change != nil {
		change(&o)
	}
	h, err := console.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func do(h http.Handler, method, path, body string, header map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = host
	for name, value := range header {
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var asJSON = map[string]string{"Content-Type": "application/json"}

func equalJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Error(diff)
	}
}

func TestDevAnswers(t *testing.T) {
	h := newConsole(t, nil)
	w := do(h, "GET", "/_carillon/chat", "", nil)
	equalJSON(t, w.Body.String(), `{"Region":"us-east-1","AppInstanceArn":"`+app+`","Users":[
		{"UserId":"alice","Name":"Alice","Arn":"`+app+`/user/alice"},{"UserId":"bob","Name":"Bob","Arn":"`+app+`/user/bob"}]}`)

	w = do(h, "POST", "/_carillon/credentials", `{"UserId":"alice"}`, asJSON)
	equalJSON(t, w.Body.String(), `{"ChimeAppInstanceUserArn":"`+app+`/user/alice","ChimeUserId":"alice","ChimeDisplayName":"Alice",
		"ChimeCredentials":{"AccessKeyId":"ASIA1","SecretAccessKey":"secret","SessionToken":"token","Expiration":"2026-11-23T12:00:00Z"}}`)
	w = do(h, "POST", "/_carillon/credentials", `{"UserId":"alice","DurationSeconds":5}`, asJSON)
	if !strings.Contains(w.Body.String(), `"Expiration":"2026-11-23T11:00:05Z"`) {
		t.Errorf("5 seconds: %s", w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%v", w.Header())
	}
}

// What may reach the JSON of dev mode, and what may not.
func TestOnlyOwnPagesAreAnswered(t *testing.T) {
	h := newConsole(t, nil)
	for _, test := range []struct {
		name   string
		header map[string]string
		want   int
	}{
		{"a program", nil, 200},
		{"own page", map[string]string{"Origin": "http://" + host, "Sec-Fetch-Site": "same-origin"}, 200},
		{"own page over TLS", map[string]string{"Origin": "https://" + host, "Sec-Fetch-Site": "same-origin"}, 200},
		{"own page under the address", map[string]string{"Host": "127.0.0.1:24463", "Origin": "http://127.0.0.1:24463"}, 200},
		{"own page under IPv6", map[string]string{"Host": "[::1]:24463", "Origin": "http://[::1]:24463"}, 200},
		{"typed by a person", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		{"rebound name", map[string]string{"Host": "evil.example:24463"}, 403},
		{"rebound name that calls itself the same site", map[string]string{"Host": "evil.example:24463", "Origin": "http://evil.example:24463", "Sec-Fetch-Site": "same-origin"}, 403},
		{"own name with another port", map[string]string{"Host": "localhost:8080"}, 403},
		{"own name as a prefix", map[string]string{"Host": "localhost:24463.evil.example"}, 403},
		{"no name", map[string]string{"Host": ""}, 403},
		{"other site", map[string]string{"Origin": "https://evil.example"}, 403},
		{"other port of the machine", map[string]string{"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, 403},
		{"other site without origin", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"other port without origin", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"sandboxed page", map[string]string{"Origin": "null"}, 403},
		{"file or extension", map[string]string{"Origin": "chrome-extension://" + host}, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, call := range []struct{ method, path, body string }{
				{"GET", "/_carillon/chat", ""}, {"POST", "/_carillon/credentials", `{"UserId":"alice"}`},
			} {
				header := map[string]string{"Content-Type": "application/json"}
				for k, v := range test.header {
					header[k] = v
				}
				w := do(h, call.method, call.path, call.body, header)
				if w.Code != test.want {
					t.Errorf("%s: %d %s", call.path, w.Code, w.Body)
				}
				for name := range w.Header() {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s: %s invites other sites", call.path, name)
					}
				}
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	h := newConsole(t, nil)
	for _, test := range []struct {
		name, method, path, body, contentType string
		want                                  int
	}{
		{"form", "POST", "/_carillon/credentials", `{"UserId":"alice"}`, "text/plain", 400},
		{"no type", "POST", "/_carillon/credentials", `{"UserId":"alice"}`, "", 400},
		{"type with charset", "POST", "/_carillon/credentials", `{"UserId":"alice"}`, "application/json; charset=utf-8", 200},
		{"no JSON", "POST", "/_carillon/credentials", `alice`, "application/json", 400},
		{"no user", "POST", "/_carillon/credentials", `{}`, "application/json", 400},
		{"no time", "POST", "/_carillon/credentials", `{"UserId":"alice","DurationSeconds":4}`, "application/json", 400},
		{"much time", "POST", "/_carillon/credentials", `{"UserId":"alice","DurationSeconds":3601}`, "application/json", 400},
		{"unknown user", "POST", "/_carillon/credentials", `{"UserId":"mallory"}`, "application/json", 404},
		{"large", "POST", "/_carillon/credentials", `{"UserId":"alice","x":"` + strings.Repeat("x", 5000) + `"}`, "application/json", 400},
		{"method", "GET", "/_carillon/credentials", "", "", 404},
		{"preflight", "OPTIONS", "/_carillon/credentials", "", "", 404},
		{"path", "GET", "/_carillon/", "", "", 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := do(h, test.method, test.path, test.body, map[string]string{"Content-Type": test.contentType})
			if w.Code != test.want {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			var reply struct{ Code, Message string }
			if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil {
				t.Error(err)
			}
			if w.Code != 200 && reply.Message == "" {
				t.Error("no message")
			}
		})
	}
}

func TestNothingOutsideDevMode(t *testing.T) {
	h := newConsole(t, func(o *console.Options) { o.Dev = nil })
	for _, call := range [][2]string{{"GET", "/_carillon/chat"}, {"POST", "/_carillon/credentials"}, {"GET", "/_carillon/x"}} {
		w := do(h, call[0], call[1], `{"UserId":"alice"}`, asJSON)
		if w.Code != 404 || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v: %d %s", call, w.Code, w.Body)
		}
	}
	if w := do(h, "GET", "/chat/", "", nil); w.Code != 200 {
		t.Errorf("the page is gone too: %d", w.Code)
	}
}

func TestFailureIsLoggedAndNotTold(t *testing.T) {
	var log bytes.Buffer
	h := newConsole(t, func(o *console.Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		o.Dev.Users = backend{errors.New("the disk is on fire")}
	})
	w := do(h, "GET", "/_carillon/chat", "", nil)
	if w.Code != 500 || strings.Contains(w.Body.String(), "fire") || !strings.Contains(log.String(), "fire") {
		t.Errorf("%d %s, log %s", w.Code, w.Body, &log)
	}
}

func TestPage(t *testing.T) {
	h := newConsole(t, nil)
	if w := do(h, "GET", "/chat", "", nil); w.Code != 301 || w.Header().Get("Location") != "/chat/" {
		t.Errorf("/chat: %d %v", w.Code, w.Header())
	}
	w := do(h, "GET", "/chat/", "", nil)
	index := w.Body.String()
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		"Content-Security-Policy": "default-src 'self'; connect-src 'self' ws://localhost:24463 wss://localhost:24463; " +
			"img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	} {
		if got := w.Header().Get(name); w.Code != 200 || got != want {
			t.Errorf("index: %d, %s is %q", w.Code, name, got)
		}
	}
	assets := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(index, -1)
	if len(assets) < 2 {
		t.Fatalf("the page loads nothing: %s", index)
	}
	for _, asset := range assets {
		w := do(h, "GET", asset[1], "", nil)
		if w.Code != 200 || w.Body.Len() == 0 || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d %v", asset[1], w.Code, w.Header())
		}
		if strings.HasSuffix(asset[1], ".js") && w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%s: %v", asset[1], w.Header())
		}
		etag := w.Header().Get("ETag")
		if w := do(h, "GET", asset[1], "", map[string]string{"If-None-Match": etag}); w.Code != 304 {
			t.Errorf("%s again: %d", asset[1], w.Code)
		}
	}
}

func TestPagePathsThatAreNotThere(t *testing.T) {
	h := newConsole(t, nil)
	for _, path := range []string{"/chat/assets/", "/chat/assets", "/chat/dist/index.html", "/chat/../console.go", "/chat//index.html"} {
		if w := do(h, "GET", path, "", nil); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := do(h, "POST", "/chat/", "", nil); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestOwns(t *testing.T) {
	for path, want := range map[string]bool{
		"/chat": true, "/chat/": true, "/chat/assets/x.js": true, "/_carillon/chat": true,
		"/": false, "/chats": false, "/channels": false, "/connect": false, "/_carillonx": false,
	} {
		if console.Owns(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

// TestWebPush: the public keys are answered in every mode, also when there are none.
func TestWebPush(t *testing.T) {
	web := []console.WebPush{{Name: "web", Pattern: "*:apps/web", ApplicationServerKey: "BKey"}}
	for want, change := range map[string]func(*console.Options){
		`{"Applications":[{"Name":"web","Pattern":"*:apps/web","ApplicationServerKey":"BKey"}]}`: func(o *console.Options) { o.WebPush, o.Dev = web, nil },
		`{"Applications":[]}`: nil,
	} {
		h := newConsole(t, change)
		equalJSON(t, do(h, "GET", "/_carillon/webpush", "", nil).Body.String(), want)
		if w := do(h, "POST", "/_carillon/webpush", "", nil); w.Code != 404 {
			t.Errorf("POST: %d", w.Code)
		}
	}
	h := newConsole(t, func(o *console.Options) { o.Dev.PushARN, o.Dev.PushKey = "arn", "BKey" })
	if body := do(h, "GET", "/_carillon/chat", "", nil).Body.String(); !strings.Contains(body, `"WebPush":{"ResourceArn":"arn","ApplicationServerKey":"BKey"}`) {
		t.Error(body)
	}
}
