package access_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
)

// connectRequest is a presigned connect request, with a change after signing.
func (f *fixture) connectRequest(t *testing.T, c access.Credentials, query url.Values, change func(target string) string) *sigv4.Request {
	t.Helper()
	req, err := http.NewRequest("GET", "http://localhost/connect?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	signer := sigv4.Signer{
		Credentials: sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken},
		Scope:       sigv4.Scope{Region: "us-east-1", Service: "chime"},
	}
	empty := sha256.Sum256(nil)
	if err := signer.Presign(req, empty, f.now, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	req.RequestURI, req.Host = req.URL.RequestURI(), "localhost"
	if change != nil {
		req.RequestURI = change(req.RequestURI)
	}
	r := sigv4.FromHTTP(req, empty)
	return &r
}

func TestConnecting(t *testing.T) {
	f := newFixture(t)
	f.updateApp(t, func(tx store.Tx) error { return store.AppInstances.Put(tx, store.K("A"), chime.AppInstance{ID: "A"}) })
	f.updateApp(t, func(tx store.Tx) error { return store.Users.Put(tx, store.K("A", "ann"), chime.User{ID: "ann"}) })
	ann, bob, none := app+"/user/ann", app+"/user/bob", app+"/user/none"
	query := func(user string) url.Values { return url.Values{"userArn": {user}, "sessionId": {"1"}} }
	root := access.Credentials{AccessKeyID: servicetest.RootAccessKeyID, SecretAccessKey: servicetest.RootSecretAccessKey}
	f.role(t, "chat", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"chime:*","Resource":"*"},
		{"Sid":"NotBob","Effect":"Deny","Action":"chime:Connect","Resource":"`+bob+`"}]}`)
	chat := f.session(t, "chat", access.SessionRequest{SessionName: "s"})
	short := f.issue(t, "ann")
	wrong := root
	wrong.SecretAccessKey = "wrong"
	long := query(ann)
	long.Set("sessionId", strings.Repeat("1", 200))
	for _, test := range []struct {
		name    string
		r       *sigv4.Request
		allowed bool
		step    string
		says    string // in the message
		shown   []string
	}{
		{name: "root", r: f.connectRequest(t, root, query(ann), nil), allowed: true, shown: []string{ann}},
		{name: "chat session", r: f.connectRequest(t, short, query(ann), nil), allowed: true, shown: []string{short.ARN, "2026-11-23T10:00:00Z"}},
		{name: "role session", r: f.connectRequest(t, chat, query(ann), nil), allowed: true, shown: []string{chat.ARN}},
		{name: "other user", r: f.connectRequest(t, short, query(bob), nil), step: "iam", says: "because no identity-based policy allows",
			shown: []string{"implicit deny", bob, short.ARN}},
		{name: "denied", r: f.connectRequest(t, chat, query(bob), nil), step: "iam", says: "explicit deny in the inline policy p, statement 2 (Sid NotBob)",
			shown: []string{"explicit deny", "inline policy p", `"NotBob"`}},
		{name: "no such user", r: f.connectRequest(t, root, query(none), nil), step: "user", says: "does not exist"},
		{name: "wrong secret", r: f.connectRequest(t, wrong, query(ann), nil), step: "signature", says: "does not match",
			shown: []string{`GET\n/connect\nX-Amz-Algorithm`, `AWS4-HMAC-SHA256\n2026`}},
		{name: "changed user", r: f.connectRequest(t, root, query(ann), func(s string) string { return strings.Replace(s, "ann", "bob", 1) }), step: "signature"},
		{name: "unsigned", r: f.connectRequest(t, root, query(ann), func(s string) string { return "/connect" }), step: "form", says: "neither"},
		{name: "unknown key", r: f.connectRequest(t, access.Credentials{AccessKeyID: "AKIAOTHER", SecretAccessKey: "x"}, query(ann), nil), step: "key"},
		{name: "no user", r: f.connectRequest(t, root, url.Values{"sessionId": {"1"}}, nil), step: "request", says: "userArn"},
		{name: "no session", r: f.connectRequest(t, root, url.Values{"userArn": {ann}}, nil), step: "request", says: "sessionId"},
		{name: "long session", r: f.connectRequest(t, root, long, nil), step: "request", says: "128"},
		{name: "session twice", r: f.connectRequest(t, root, url.Values{"userArn": {ann}, "sessionId": {"1", "2"}}, nil), step: "request", says: "sessionId: is given twice"},
		{name: "a bot", r: f.connectRequest(t, root, query(app+"/bot/b"), nil), step: "request", says: "userArn"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := f.Connect(t.Context(), test.r, access.Source{})
			if (err == nil) != (test.allowed || test.step == "user") {
				t.Errorf("connected: %v", err)
			}
			if test.allowed && (c.UserARN != ann || c.App != "A" || c.User != "user/ann" || c.SessionID != "1") {
				t.Errorf("connection %+v", c)
			}
			for _, explain := range []bool{true, false} {
				s := servicetest.NewAccess(t, f.store, f.clock, func(o *access.Options) { o.Explain = explain })
				e, err := s.ExplainConnect(t.Context(), test.r, access.Source{})
				if err != nil || e.Allowed != test.allowed || e.Step != test.step || !strings.Contains(e.Message, test.says) {
					t.Errorf("explanation %+v, %v", e, err)
				}
				text, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range test.shown {
					if !bytes.Contains(text, []byte(want)) && (explain || !strings.Contains(want, `\n`) && !strings.Contains(want, `"`)) {
						t.Errorf("%s does not show %s", text, want)
					}
				}
				if !explain && (e.CanonicalRequest+e.StringToSign+string(e.Statement)) != "" {
					t.Errorf("too much is explained: %s", text)
				}
			}
		})
	}
}
