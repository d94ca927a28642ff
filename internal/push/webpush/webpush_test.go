package webpush_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	"github.com/carillon-chat/carillon/internal/push/webpush"
)

// browser has a subscription to the push service of a test.
type browser struct {
	*httptest.Server
	t      *testing.T
	key    *ecdh.PrivateKey
	secret []byte
	vapid  *ecdsa.PrivateKey
	now    time.Time

	mu     sync.Mutex
	status int
	header http.Header // of the latest call
	proto  string
	body   []byte
	calls  int
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	b := &browser{t: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), secret: bytes.Repeat([]byte{7}, 16), status: http.StatusCreated}
	var err error
	if b.key, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if b.vapid, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.header, b.proto, b.calls = r.Header, r.Proto, b.calls+1
		if b.body, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(b.status)
	}))
	b.EnableHTTP2 = true
	b.StartTLS()
	t.Cleanup(b.Close)
	return b
}

// device is the endpoint of the browser: its token is what JSON.stringify makes of a PushSubscription.
func (b *browser) device() *chime.Endpoint {
	b.t.Helper()
	text, err := json.Marshal(map[string]any{"endpoint": b.URL + "/push/1", "expirationTime": nil, "keys": map[string]string{
		"p256dh": base64.RawURLEncoding.EncodeToString(b.key.PublicKey().Bytes()), "auth": base64.RawURLEncoding.EncodeToString(b.secret),
	}})
	if err != nil {
		b.t.Fatal(err)
	}
	return &chime.Endpoint{Type: "GCM", DeviceToken: string(text)}
}

func (b *browser) sender(hosts ...string) *webpush.Sender {
	b.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(b.Certificate())
	client := outbound.New(outbound.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: roots})
	b.t.Cleanup(client.Close)
	s, err := webpush.New(webpush.Options{
		Service: webpush.Service{Name: "test", Hosts: hosts}, Client: client, Key: b.vapid, Contact: "mailto:ops@example.com", Now: func() time.Time { return b.now },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *browser) note() *push.Notification {
	return &push.Notification{
		ID: "id", MessageID: "message", ChannelARN: "arn:aws:chime:us-east-1:000000000000:app-instance/a/channel/c",
		Title: "Bob", Body: "Hi", Collapse: strings.Repeat("c", 32), Badge: 7, Expires: b.now.Add(time.Hour),
	}
}

// decrypt opens a body as a browser does: RFC 8188 and 8291 written out with HMAC, apart from the code that
// encrypts. The tests of the page have a library of others do it.
func (b *browser) decrypt() []byte {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	mac := func(key []byte, parts ...string) []byte {
		h := hmac.New(sha256.New, key)
		for _, part := range parts {
			_, _ = io.WriteString(h, part)
		}
		return h.Sum(nil)
	}
	salt, size, rest := b.body[:16], b.body[20], b.body[21:]
	sender, sealed := rest[:size], rest[size:]
	public, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		b.t.Fatal(err)
	}
	shared, err := b.key.ECDH(public)
	if err != nil {
		b.t.Fatal(err)
	}
	material := mac(mac(b.secret, string(shared)), "WebPush: info\x00", string(b.key.PublicKey().Bytes()), string(sender), "\x01")
	random := mac(salt, string(material))
	block, err := aes.NewCipher(mac(random, "Content-Encoding: aes128gcm\x00\x01")[:16])
	if err != nil {
		b.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := aead.Open(nil, mac(random, "Content-Encoding: nonce\x00\x01")[:12], sealed, nil)
	if err != nil || len(text) == 0 || text[len(text)-1] != 2 {
		b.t.Fatalf("%v, %q", err, text)
	}
	return text[:len(text)-1]
}

func TestNotifications(t *testing.T) {
	b := newBrowser(t)
	s := b.sender("127.0.0.1")
	if err := s.Send(t.Context(), b.device(), b.note()); err != nil {
		t.Fatal(err)
	}
	if b.proto != "HTTP/2.0" {
		t.Error(b.proto)
	}
	for name, want := range map[string]string{
		"Content-Encoding": "aes128gcm", "Content-Type": "application/octet-stream", "Ttl": "3600", "Urgency": "normal", "Topic": strings.Repeat("c", 32),
	} {
		if got := b.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	// The token is that of the key with which the browser subscribed.
	public, err := webpush.PublicKey(b.vapid)
	if err != nil {
		t.Fatal(err)
	}
	token, key, ok := strings.Cut(strings.TrimPrefix(b.header.Get("Authorization"), "vapid t="), ", k=")
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || !ok || key != public {
		t.Fatalf("%q, %v", b.header.Get("Authorization"), err)
	}
	var claims jwt.Claims
	if err := parsed.Claims(b.vapid.Public(), &claims); err != nil {
		t.Fatal(err)
	}
	if err := claims.Validate(jwt.Expected{Subject: "mailto:ops@example.com", AnyAudience: jwt.Audience{b.URL}, Time: b.now}); err != nil || claims.Expiry.Time().Sub(b.now) > 24*time.Hour {
		t.Errorf("%+v, %v", claims, err)
	}

	var content struct {
		Data  map[string]string
		Tag   string
		Badge int
	}
	if err := json.Unmarshal(b.decrypt(), &content); err != nil {
		t.Fatal(err)
	}
	if content.Data["pinpoint.notification.title"] != "Bob" || !strings.Contains(content.Data["pinpoint.jsonBody"], `"chime.message_id":"message"`) || content.Tag != strings.Repeat("c", 32) || content.Badge != 7 {
		t.Errorf("%+v", content)
	}

	// A call.
	n := b.note()
	n.Call, n.Collapse, n.Badge = true, "", -1
	if err := s.Send(t.Context(), b.device(), n); err != nil {
		t.Fatal(err)
	}
	if text := b.decrypt(); b.header.Get("Urgency") != "high" || b.header.Values("Topic") != nil || bytes.Contains(text, []byte("tag")) || bytes.Contains(text, []byte("badge")) {
		t.Errorf("%v, %s", b.header, text)
	}
}

// TestLimits: a body has 4096 bytes at most, which every push service takes.
func TestLimits(t *testing.T) {
	b := newBrowser(t)
	s := b.sender("127.0.0.1")
	n := b.note()
	n.Title, n.Body, n.ChannelARN = strings.Repeat("€", 50), strings.Repeat("\U0001F514", 150), "arn:aws:chime:us-east-1:000000000000:app-instance/"+strings.Repeat("a", 250)
	if err := s.Send(t.Context(), b.device(), n); err != nil || len(b.body) > 4096 {
		t.Errorf("%d bytes, %v", len(b.body), err)
	}
	n.Title, n.Body = "", ""
	longest, fault := 0, new(push.Fault)
	for size := 3400; size < 4100; size++ {
		n.ChannelARN = strings.Repeat("x", size)
		if err := s.Send(t.Context(), b.device(), n); errors.As(err, &fault) {
			break
		}
		longest = len(b.body)
	}
	if fault.Kind != push.Refused || longest != 4096 {
		t.Errorf("%+v behind %d bytes", fault, longest)
	}
}

func TestRefusals(t *testing.T) {
	b := newBrowser(t)
	s := b.sender("127.0.0.1")
	host := strings.TrimPrefix(b.URL, "https://")
	for status, want := range map[int]push.Fault{
		404: {Kind: push.Gone}, 410: {Kind: push.Gone}, 429: {Kind: push.ThrottledDevice}, 413: {Kind: push.Refused}, 403: {Kind: push.Refused}, 301: {Kind: push.Refused},
		500: {Kind: push.Unavailable}, 503: {Kind: push.Unavailable},
	} {
		b.status = status
		want.Reason, want.After = fmt.Sprintf("%s answered %d", host, status), time.Minute
		fault := new(push.Fault)
		if err := s.Send(t.Context(), b.device(), b.note()); !errors.As(err, &fault) || *fault != want {
			t.Errorf("%d: %+v, want %+v", status, fault, want)
		}
	}
}

// TestSubscriptions: what is none is gone, and none leads to where the sender may not connect.
func TestSubscriptions(t *testing.T) {
	b := newBrowser(t)
	good := b.device().DeviceToken
	for _, token := range []string{
		"{}", "{", `{"endpoint":"https://fcm.googleapis.com/x"}`, strings.Replace(good, "https://", "ftp://", 1), strings.Replace(good, "https://", "https://user@", 1),
		strings.Replace(good, `"auth":"`, `"auth":"AA`, 1), strings.Replace(good, `"p256dh":"B`, `"p256dh":"C`, 1),
	} {
		fault := new(push.Fault)
		if err := b.sender("127.0.0.1").Send(t.Context(), &chime.Endpoint{Type: "GCM", DeviceToken: token}, b.note()); !errors.As(err, &fault) || fault.Kind != push.Gone {
			t.Errorf("%s: %v", token, err)
		}
	}
	metadata := strings.Replace(good, b.URL, "https://169.254.169.254", 1)
	if err := b.sender("*").Send(t.Context(), &chime.Endpoint{Type: "GCM", DeviceToken: metadata}, b.note()); !errors.Is(err, outbound.ErrRefused) {
		t.Errorf("a private address: %v", err)
	}
	if b.calls != 0 {
		t.Errorf("%d calls", b.calls)
	}
}

func TestTakes(t *testing.T) {
	b := newBrowser(t)
	at := func(endpoint string) *chime.Endpoint {
		d := b.device()
		d.DeviceToken = strings.Replace(d.DeviceToken, b.URL, endpoint, 1)
		return d
	}
	for _, test := range []struct {
		hosts  string
		device *chime.Endpoint
		want   bool
	}{
		{"fcm.googleapis.com", at("https://fcm.googleapis.com"), true},
		{"fcm.googleapis.com", at("https://FCM.googleapis.com:443"), true},
		{"fcm.googleapis.com", at("https://fcm.googleapis.com.example.com"), false},
		{"*.push.apple.com", at("https://web.push.apple.com"), true},
		{"*.push.apple.com", at("https://push.apple.com"), false},
		{"*.push.apple.com", at("https://evilpush.apple.com"), false},
		{"fcm.googleapis.com", &chime.Endpoint{Type: "GCM", DeviceToken: "abc:def"}, false},
		{"fcm.googleapis.com", &chime.Endpoint{Type: "GCM", DeviceToken: "{}"}, true},
		{"fcm.googleapis.com", &chime.Endpoint{Type: "APNS", DeviceToken: at("https://fcm.googleapis.com").DeviceToken}, false},
	} {
		if got := b.sender(test.hosts).Takes(test.device); got != test.want {
			t.Errorf("%s, %s: %v", test.hosts, test.device.DeviceToken, got)
		}
	}
	names := map[string]bool{}
	for _, s := range webpush.Services() {
		names[s.Name] = true
	}
	if len(names) != 4 || !names["google"] || !names["mozilla"] || !names["apple"] || !names["windows"] {
		t.Errorf("%v", names)
	}
}
