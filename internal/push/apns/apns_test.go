package apns_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/push"
	"github.com/carillon-chat/carillon/internal/push/apns"
)

const (
	keyID, team, topic = "ABC123DEFG", "DEF123GHIJ", "com.example.chat"
	alertToken         = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0"
	callToken          = "11fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f1"
)

// call is what the server was sent.
type call struct {
	proto, path string
	header      http.Header
	body        []byte
	bearer      string
	certificate string
}

// server is a push service that speaks Apple's provider API over HTTP/2, as
// https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns describes it.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	calls  []call
	answer func(http.ResponseWriter)
}

func newServer(t *testing.T, config *tls.Config) *server {
	t.Helper()
	s := new(server)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		c := call{r.Proto, r.Method + " " + r.URL.Path, r.Header, body, strings.TrimPrefix(r.Header.Get("Authorization"), "bearer "), ""}
		if len(r.TLS.PeerCertificates) > 0 {
			c.certificate = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, c)
		if s.answer != nil {
			s.answer(w)
		}
	}))
	s.EnableHTTP2, s.TLS = true, config
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// take returns the only call since the last.
func (s *server) take(t *testing.T) call {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) != 1 {
		t.Fatalf("%d calls", len(s.calls))
	}
	c := s.calls[0]
	s.calls = nil
	return c
}

func (s *server) client(t *testing.T, certificates ...tls.Certificate) *outbound.Client {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := outbound.New(outbound.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: roots, Certificates: certificates})
	t.Cleanup(c.Close)
	return c
}

func newKey(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// desk is a sender with tokens, and the push service that it calls.
type desk struct {
	*server
	*apns.Sender
	key *ecdsa.PrivateKey
	now time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{server: newServer(t, nil), now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	key, text := newKey(t)
	d.key = key
	tokens, err := apns.NewTokens(text, keyID, team)
	if err != nil {
		t.Fatal(err)
	}
	d.Sender = apns.New(apns.Options{Topic: topic, Client: d.client(t), Tokens: tokens, Now: func() time.Time { return d.now }, Endpoint: d.URL})
	return d
}

var device = &chime.Endpoint{Type: "APNS", DeviceToken: alertToken, VoipToken: callToken}

func (d *desk) note() *push.Notification {
	return &push.Notification{
		ID: "1f2f3f4f-5f6f-4f8f-9f0f-1f2f3f4f5f6f", MessageID: "message", ChannelARN: "arn:aws:chime:us-east-1:000000000000:app-instance/a/channel/c",
		Title: "Bob", Body: "Hi", Collapse: strings.Repeat("c", 32), Badge: 7, Expires: d.now.Add(time.Hour),
	}
}

func (d *desk) send(n *push.Notification) error { return d.Send(context.Background(), device, n) }

// claims verifies the token of a call with a library of others.
func (d *desk) claims(t *testing.T, c call) (claims jwt.Claims) {
	t.Helper()
	token, err := jwt.ParseSigned(c.bearer, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Claims(d.key.Public(), &claims); err != nil {
		t.Fatal(err)
	}
	if token.Headers[0].KeyID != keyID {
		t.Errorf("kid %q", token.Headers[0].KeyID)
	}
	return claims
}

func TestAlerts(t *testing.T) {
	d := newDesk(t)
	if err := d.send(d.note()); err != nil {
		t.Fatal(err)
	}
	c := d.take(t)
	if c.proto != "HTTP/2.0" || c.path != "POST /3/device/"+alertToken {
		t.Errorf("%s %s", c.proto, c.path)
	}
	for name, want := range map[string]string{
		"apns-id": "1f2f3f4f-5f6f-4f8f-9f0f-1f2f3f4f5f6f", "apns-topic": topic, "apns-push-type": "alert", "apns-priority": "10",
		"apns-expiration": fmt.Sprint(d.now.Add(time.Hour).Unix()), "apns-collapse-id": strings.Repeat("c", 32),
	} {
		if got := c.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if claims := d.claims(t, c); claims.Issuer != team || !claims.IssuedAt.Time().Equal(d.now) {
		t.Errorf("%+v", claims)
	}

	var body struct {
		APS struct {
			Alert    struct{ Title, Body string }
			Badge    *int
			Sound    string
			ThreadID string `json:"thread-id"`
		} `json:"aps"`
		Data map[string]string
	}
	if err := json.Unmarshal(c.body, &body); err != nil {
		t.Fatal(err)
	}
	a := body.APS
	if a.Alert.Title != "Bob" || a.Alert.Body != "Hi" || a.Badge == nil || *a.Badge != 7 || a.Sound != "default" || a.ThreadID == "" {
		t.Errorf("%s", c.body)
	}
	if body.Data["pinpoint.notification.title"] != "Bob" || !strings.Contains(body.Data["pinpoint.jsonBody"], `"chime.message_id":"message"`) {
		t.Errorf("%s", c.body)
	}

	n := d.note()
	n.Badge = -1
	if err := d.send(n); err != nil {
		t.Fatal(err)
	}
	if c := d.take(t); bytes.Contains(c.body, []byte("badge")) {
		t.Errorf("%s", c.body)
	}
}

func TestCalls(t *testing.T) {
	d := newDesk(t)
	n := d.note()
	n.Call, n.Collapse = true, ""
	if err := d.send(n); err != nil {
		t.Fatal(err)
	}
	c := d.take(t)
	if c.path != "POST /3/device/"+callToken || c.header.Get("apns-topic") != topic+".voip" || c.header.Get("apns-push-type") != "voip" ||
		c.header.Get("apns-expiration") != "0" || c.header.Values("apns-collapse-id") != nil {
		t.Errorf("%s %v", c.path, c.header)
	}
}

// TestTokensAreKept: Apple refuses tokens of more than an hour, and servers that make them within 20 minutes.
func TestTokensAreKept(t *testing.T) {
	d := newDesk(t)
	token := func(after time.Duration) string {
		t.Helper()
		d.now = d.now.Add(after)
		_ = d.send(d.note())
		c := d.take(t)
		if age := d.now.Sub(d.claims(t, c).IssuedAt.Time()); age > 59*time.Minute || age < 0 {
			t.Errorf("a token of %v", age)
		}
		return c.bearer
	}
	first := token(0)
	if token(45*time.Minute) != first {
		t.Error("a token is made again within the hour")
	}
	second := token(10 * time.Minute)
	if second == first {
		t.Error("a token is not made again before the hour is over")
	}

	// What Apple finds too old is replaced, unless it cannot be.
	d.answer = func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"reason":"ExpiredProviderToken"}`)
	}
	if token(10*time.Minute) != second || token(time.Minute) != second {
		t.Error("a token is made again within 20 minutes")
	}
	if token(10*time.Minute) == second {
		t.Error("a token that is too old is kept")
	}
}

func TestRefusals(t *testing.T) {
	d := newDesk(t)
	for _, test := range []struct {
		status int
		body   string
		retry  string
		want   push.Fault
	}{
		{400, `{"reason":"BadDeviceToken"}`, "", push.Fault{Kind: push.Gone, Reason: "BadDeviceToken"}},
		{400, `{"reason":"DeviceTokenNotForTopic"}`, "", push.Fault{Kind: push.Foreign, Reason: "DeviceTokenNotForTopic"}},
		{400, `{"reason":"TopicDisallowed"}`, "", push.Fault{Kind: push.Denied, Reason: "TopicDisallowed"}},
		{400, `{"reason":"BadCollapseId"}`, "", push.Fault{Kind: push.Refused, Reason: "BadCollapseId"}},
		{403, `{"reason":"InvalidProviderToken"}`, "", push.Fault{Kind: push.Denied, Reason: "InvalidProviderToken"}},
		{410, `{"reason":"Unregistered","timestamp":1454948015990}`, "", push.Fault{Kind: push.Gone, Reason: "Unregistered", Since: time.UnixMilli(1454948015990)}},
		{410, `{"reason":"ExpiredToken"}`, "", push.Fault{Kind: push.Gone, Reason: "ExpiredToken"}},
		{413, `{"reason":"PayloadTooLarge"}`, "", push.Fault{Kind: push.Refused, Reason: "PayloadTooLarge"}},
		{429, `{"reason":"TooManyRequests"}`, "", push.Fault{Kind: push.ThrottledDevice, Reason: "TooManyRequests"}},
		{429, `{"reason":"TooManyProviderTokenUpdates"}`, "", push.Fault{Kind: push.Throttled, Reason: "TooManyProviderTokenUpdates"}},
		{500, `{"reason":"InternalServerError"}`, "", push.Fault{Reason: "InternalServerError"}},
		{503, `{"reason":"ServiceUnavailable"}`, "120", push.Fault{Reason: "ServiceUnavailable", After: 2 * time.Minute}},
		{502, `<html>`, "", push.Fault{Reason: "Apple's push service answered 502"}},
	} {
		d.answer = func(w http.ResponseWriter) {
			if test.retry != "" {
				w.Header().Set("Retry-After", test.retry)
			}
			w.WriteHeader(test.status)
			_, _ = fmt.Fprint(w, test.body)
		}
		fault := new(push.Fault)
		if err := d.send(d.note()); !errors.As(err, &fault) || *fault != test.want {
			t.Errorf("%d %s: %+v, want %+v", test.status, test.body, fault, test.want)
		}
		d.take(t)
	}
}

// TestWhatIsNotSent: a token that is no token would name another path.
func TestWhatIsNotSent(t *testing.T) {
	d := newDesk(t)
	for _, token := range []string{"", "../../admin", "0g", "00 11", "00?x"} {
		fault := new(push.Fault)
		if err := d.Send(t.Context(), &chime.Endpoint{Type: "APNS", DeviceToken: token}, d.note()); !errors.As(err, &fault) || fault.Kind != push.Gone {
			t.Errorf("%q: %v", token, err)
		}
	}
	n := d.note()
	n.Body = strings.Repeat("\x01", 150)
	n.ChannelARN = strings.Repeat("\x01", 500)
	fault := new(push.Fault)
	if err := d.send(n); !errors.As(err, &fault) || fault.Kind != push.Refused {
		t.Errorf("%v", err)
	}
	if len(d.calls) > 0 {
		t.Errorf("%d calls", len(d.calls))
	}

	// The longest that a message can have.
	n = d.note()
	n.Title, n.Body, n.ChannelARN = strings.Repeat("€", 50), strings.Repeat("\U0001F514", 150), "arn:aws:chime:us-east-1:000000000000:app-instance/"+strings.Repeat("a", 250)
	if err := d.send(n); err != nil || len(d.take(t).body) > 4096 {
		t.Errorf("%v", err)
	}
}

func TestCertificates(t *testing.T) {
	s := newServer(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert})
	key, _ := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Apple Push Services: " + topic}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	client := s.client(t, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	sender := apns.New(apns.Options{Topic: topic, Client: client, Now: time.Now, Endpoint: s.URL})
	if err := sender.Send(t.Context(), device, &push.Notification{ID: "id"}); err != nil {
		t.Fatal(err)
	}
	if c := s.take(t); c.certificate != template.Subject.CommonName || c.header.Values("Authorization") != nil || c.proto != "HTTP/2.0" {
		t.Errorf("%+v", c)
	}
}

func TestTakes(t *testing.T) {
	for kind, want := range map[string]bool{"APNS": true, "APNS_SANDBOX": true, "GCM": false} {
		if got := apns.New(apns.Options{}).Takes(&chime.Endpoint{Type: kind}); got != want {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

func TestKeysAreChecked(t *testing.T) {
	_, good := newKey(t)
	for name, text := range map[string][]byte{"nothing": nil, "text": []byte("secret-text"), "cut": good[:len(good)/2],
		"another form": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret-text")})} {
		if _, err := apns.NewTokens(text, keyID, team); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
