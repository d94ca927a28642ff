package fcm_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
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
	"github.com/carillon-chat/carillon/internal/push/fcm"
)

const email = "carillon@chat-1234.iam.gserviceaccount.com"

// google is Google's authorization server and its push service, as these describe them:
// https://developers.google.com/identity/protocols/oauth2/service-account,
// https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send.
type google struct {
	*httptest.Server
	t   *testing.T
	key *rsa.PrivateKey
	now time.Time

	mu       sync.Mutex
	granted  int // access tokens
	refusing bool
	answer   func(http.ResponseWriter)
	messages []sentMessage
}

type sentMessage struct {
	proto, token string
	Message      struct {
		Token        string
		Data         map[string]string
		Notification *struct{ Title, Body string }
		Android      struct {
			CollapseKey   string `json:"collapse_key"`
			Priority, TTL string
			Notification  *struct {
				Tag   string
				Count int `json:"notification_count"`
			}
		}
	}
}

func newGoogle(t *testing.T) *google {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := &google{t: t, key: key, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", g.grant)
	mux.HandleFunc("POST /v1/projects/chat-1234/messages:send", g.send)
	g.Server = httptest.NewUnstartedServer(mux)
	g.EnableHTTP2 = true
	g.StartTLS()
	t.Cleanup(g.Close)
	return g
}

// grant gives an access token of an hour for an assertion that the account signed.
func (g *google) grant(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusing {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`)
		return
	}
	if got := r.PostFormValue("grant_type"); got != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		g.t.Errorf("grant_type %q", got)
	}
	token, err := jwt.ParseSigned(r.PostFormValue("assertion"), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		g.t.Error(err)
		return
	}
	var claims struct {
		jwt.Claims
		Scope string `json:"scope"`
	}
	if err := token.Claims(g.key.Public(), &claims); err != nil {
		g.t.Error(err)
	}
	if err := claims.Validate(jwt.Expected{Issuer: email, AnyAudience: jwt.Audience{g.URL + "/token"}, Time: g.now}); err != nil {
		g.t.Error(err)
	}
	if claims.Scope != "https://www.googleapis.com/auth/firebase.messaging" || claims.Expiry.Time().Sub(claims.IssuedAt.Time()) > time.Hour || token.Headers[0].KeyID != "key-1" {
		g.t.Errorf("%+v, %+v", claims, token.Headers)
	}
	g.granted++
	_, _ = fmt.Fprintf(w, `{"access_token":"access-%d","expires_in":3599,"token_type":"Bearer"}`, g.granted)
}

func (g *google) send(w http.ResponseWriter, r *http.Request) {
	m := sentMessage{proto: r.Proto, token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.t.Error(err)
	}
	g.messages = append(g.messages, m)
	if g.answer != nil {
		g.answer(w)
		return
	}
	_, _ = fmt.Fprint(w, `{"name":"projects/chat-1234/messages/0:1"}`)
}

func (g *google) take() []sentMessage {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.messages
	g.messages = nil
	return list
}

// file is the JSON file of the service account.
func (g *google) file() []byte {
	g.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(g.key)
	if err != nil {
		g.t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "chat-1234", "private_key_id": "key-1", "client_email": email, "token_uri": g.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return text
}

func (g *google) sender(change ...func(*fcm.Options)) *fcm.Sender {
	g.t.Helper()
	account, err := fcm.ReadAccount(g.file())
	if err != nil {
		g.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(g.Certificate())
	client := outbound.New(outbound.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: roots})
	g.t.Cleanup(client.Close)
	o := fcm.Options{Client: client, Account: account, Now: func() time.Time { return g.now }, Endpoint: g.URL}
	for _, f := range change {
		f(&o)
	}
	return fcm.New(o)
}

var device = &chime.Endpoint{Type: "GCM", DeviceToken: "bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1"}

func (g *google) note() *push.Notification {
	return &push.Notification{
		ID: "id", MessageID: "message", ChannelARN: "arn:aws:chime:us-east-1:000000000000:app-instance/a/channel/c",
		Title: "Bob", Body: "Hi", Collapse: "collapse", Badge: 7, Expires: g.now.Add(time.Hour),
	}
}

func TestMessages(t *testing.T) {
	g := newGoogle(t)
	s := g.sender()
	if err := s.Send(t.Context(), device, g.note()); err != nil {
		t.Fatal(err)
	}
	list := g.take()
	if len(list) != 1 {
		t.Fatal(list)
	}
	m := list[0]
	if m.proto != "HTTP/2.0" || m.token != "access-1" || m.Message.Token != device.DeviceToken {
		t.Errorf("%+v", m)
	}
	a := m.Message.Android
	if a.CollapseKey != "collapse" || a.Priority != "HIGH" || a.TTL != "3600s" || a.Notification != nil || m.Message.Notification != nil {
		t.Errorf("%+v", m)
	}
	for key, want := range map[string]string{
		"pinpoint.openApp": "true", "pinpoint.notification.title": "Bob", "pinpoint.notification.body": "Hi", "pinpoint.campaign.campaign_id": "_DIRECT",
		"pinpoint.notification.silentPush": "0", "badge": "7",
		"pinpoint.jsonBody": `{"chime.channel_arn":"arn:aws:chime:us-east-1:000000000000:app-instance/a/channel/c","chime.message_id":"message"}`,
	} {
		if got := m.Message.Data[key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}

	// A call has no collapse key, and a notification that was not counted no badge.
	n := g.note()
	n.Call, n.Collapse, n.Badge, n.Expires = true, "", -1, g.now.Add(time.Minute)
	if err := s.Send(t.Context(), device, n); err != nil {
		t.Fatal(err)
	}
	if m := g.take()[0]; m.Message.Android.CollapseKey != "" || m.Message.Android.TTL != "60s" || m.Message.Data["badge"] != "" {
		t.Errorf("%+v", m)
	}
}

func TestNotificationsThatDevicesShow(t *testing.T) {
	g := newGoogle(t)
	s := g.sender(func(o *fcm.Options) { o.Notification = true })
	if err := s.Send(t.Context(), device, g.note()); err != nil {
		t.Fatal(err)
	}
	m := g.take()[0].Message
	if m.Notification == nil || m.Notification.Title != "Bob" || m.Notification.Body != "Hi" || m.Android.Notification.Tag != "collapse" || m.Android.Notification.Count != 7 {
		t.Errorf("%+v", m)
	}
	n := g.note()
	n.Call = true
	if err := s.Send(t.Context(), device, n); err != nil || g.take()[0].Message.Notification != nil {
		t.Errorf("a call is shown by the device: %v", err)
	}
}

// TestAccessTokensAreKept until shortly before they end, and asked for once however many notifications wait.
func TestAccessTokensAreKept(t *testing.T) {
	g := newGoogle(t)
	s := g.sender()
	all := func() {
		t.Helper()
		var sending sync.WaitGroup
		for range 20 {
			sending.Go(func() {
				if err := s.Send(t.Context(), device, g.note()); err != nil {
					t.Error(err)
				}
			})
		}
		sending.Wait()
	}
	all()
	g.now = g.now.Add(54 * time.Minute)
	all()
	if g.granted != 1 {
		t.Errorf("%d access tokens", g.granted)
	}
	g.now = g.now.Add(time.Minute)
	all()
	if g.granted != 2 {
		t.Errorf("%d access tokens after 55 minutes", g.granted)
	}

	// One that Google does not accept is replaced.
	g.answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }
	fault := new(push.Fault)
	if err := s.Send(t.Context(), device, g.note()); !errors.As(err, &fault) || fault.Kind != push.Denied {
		t.Errorf("%v", err)
	}
	g.answer = nil
	if err := s.Send(t.Context(), device, g.note()); err != nil || g.granted != 3 {
		t.Errorf("%v, %d access tokens", err, g.granted)
	}
}

func TestAnAccountThatIsNotTrusted(t *testing.T) {
	g := newGoogle(t)
	g.refusing = true
	fault := new(push.Fault)
	if err := g.sender().Send(t.Context(), device, g.note()); !errors.As(err, &fault) || fault.Kind != push.Distrusted || !strings.Contains(fault.Reason, "invalid_grant") {
		t.Errorf("%v", err)
	}
}

func TestRefusals(t *testing.T) {
	g := newGoogle(t)
	s := g.sender()
	coded := func(status, message, code string) string {
		return fmt.Sprintf(`{"error":{"status":%q,"message":%q,"details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":%q}]}}`, status, message, code)
	}
	for _, test := range []struct {
		status int
		body   string
		retry  string
		want   push.Fault
	}{
		{404, coded("NOT_FOUND", "m", "UNREGISTERED"), "", push.Fault{Kind: push.Gone, Reason: "UNREGISTERED"}},
		{400, coded("INVALID_ARGUMENT", "The registration token is not a valid FCM registration token", "INVALID_ARGUMENT"), "", push.Fault{Kind: push.Gone, Reason: "INVALID_ARGUMENT"}},
		{400, `{"error":{"status":"INVALID_ARGUMENT","message":"m","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"message.token"}]}]}}`, "", push.Fault{Kind: push.Gone, Reason: "INVALID_ARGUMENT"}},
		{400, `{"error":{"status":"INVALID_ARGUMENT","message":"Invalid value at 'message.android.ttl'"}}`, "", push.Fault{Kind: push.Refused, Reason: "INVALID_ARGUMENT"}},
		{403, coded("PERMISSION_DENIED", "m", "SENDER_ID_MISMATCH"), "", push.Fault{Kind: push.Foreign, Reason: "SENDER_ID_MISMATCH"}},
		{403, `{"error":{"status":"PERMISSION_DENIED","message":"m"}}`, "", push.Fault{Kind: push.Denied, Reason: "PERMISSION_DENIED"}},
		{404, `{"error":{"status":"NOT_FOUND","message":"m"}}`, "", push.Fault{Kind: push.Denied, Reason: "NOT_FOUND"}},
		{429, coded("RESOURCE_EXHAUSTED", "m", "QUOTA_EXCEEDED"), "60", push.Fault{Kind: push.Throttled, Reason: "QUOTA_EXCEEDED", After: time.Minute}},
		{503, coded("UNAVAILABLE", "m", "UNAVAILABLE"), "30", push.Fault{Reason: "UNAVAILABLE", After: 30 * time.Second}},
		{500, coded("INTERNAL", "m", "INTERNAL"), "", push.Fault{Reason: "INTERNAL"}},
		{502, "<html>", "", push.Fault{Reason: "Google's push service answered 502"}},
	} {
		g.answer = func(w http.ResponseWriter) {
			if test.retry != "" {
				w.Header().Set("Retry-After", test.retry)
			}
			w.WriteHeader(test.status)
			_, _ = fmt.Fprint(w, test.body)
		}
		fault := new(push.Fault)
		if err := s.Send(t.Context(), device, g.note()); !errors.As(err, &fault) || *fault != test.want {
			t.Errorf("%d %s: %+v, want %+v", test.status, test.body, fault, test.want)
		}
	}
	g.take()

	n := g.note()
	n.ChannelARN = strings.Repeat("x", 5000)
	fault := new(push.Fault)
	if err := s.Send(t.Context(), device, n); !errors.As(err, &fault) || fault.Kind != push.Refused || len(g.take()) > 0 {
		t.Errorf("%v", err)
	}
}

func TestTakes(t *testing.T) {
	g := newGoogle(t)
	for _, test := range []struct {
		kind, token string
		want        bool
	}{{"GCM", "abc:def", true}, {"GCM", `{"endpoint":"https://push.example.com"}`, false}, {"APNS", "00ff", false}} {
		if got := g.sender().Takes(&chime.Endpoint{Type: test.kind, DeviceToken: test.token}); got != test.want {
			t.Errorf("%s %s: %v", test.kind, test.token, got)
		}
	}
}

func TestAccountsAreChecked(t *testing.T) {
	g := newGoogle(t)
	good := string(g.file())
	for name, change := range map[string][2]string{
		"no JSON":                  {good, "secret-text"},
		"another kind":             {"service_account", "authorized_user"},
		"no project":               {"chat-1234\"", "\""},
		"a project that is a path": {`"project_id":"chat-1234"`, `"project_id":"../x"`},
		"no email":                 {email, ""},
		"no token URI":             {g.URL + "/token", ""},
		"another key":              {"BEGIN PRIVATE", "BEGIN secret-text"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Errorf("%s: %q is not in the file", name, change[0])
		}
		if _, err := fcm.ReadAccount([]byte(text)); err == nil || strings.Contains(err.Error(), "secret-text") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
