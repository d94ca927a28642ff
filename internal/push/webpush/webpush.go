package webpush

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/outbound/jws"
	"github.com/carillon-chat/carillon/internal/push"
)

const (
	typeGCM = "GCM" // of endpoints

	tokenAge  = 12 * time.Hour // half of what push services accept
	maxTTL    = 28 * 24 * time.Hour
	maxAnswer = 64 << 10 // bytes
)

// Options of a Sender. All are required.
type Options struct {
	Service Service
	Client  *outbound.Client
	// Key is on P-256. Browsers subscribe with its public half: see PublicKey.
	Key *ecdsa.PrivateKey
	// Contact is where the push service reaches the operator: a URL of mailto or https.
	Contact string
	Now     func() time.Time
}

// Sender is a push.Sender.
type Sender struct {
	o      Options
	public string
}

// New makes a Sender.
func New(o Options) (*Sender, error) {
	public, err := PublicKey(o.Key)
	return &Sender{o, public}, err
}

// PublicKey is the applicationServerKey with which browsers subscribe, in base64url.
func PublicKey(key *ecdsa.PrivateKey) (string, error) {
	public, err := key.PublicKey.Bytes()
	return base64.RawURLEncoding.EncodeToString(public), err
}

// Takes implements push.Sender. What is no subscription is taken by the service that is asked first, which finds
// it gone.
func (s *Sender) Takes(device *chime.Endpoint) bool {
	if device.Type != typeGCM || !strings.HasPrefix(device.DeviceToken, "{") {
		return false
	}
	to, err := parse(device.DeviceToken)
	return err != nil || s.o.Service.has(to.endpoint.Hostname())
}

// Send implements push.Sender.
func (s *Sender) Send(ctx context.Context, device *chime.Endpoint, n *push.Notification) error {
	to, err := parse(device.DeviceToken)
	if err != nil {
		return &push.Fault{Kind: push.Gone, Reason: err.Error()}
	}
	body, err := s.body(to, n)
	if err != nil {
		return err
	}
	token, err := s.token(to.endpoint)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return &push.Fault{Kind: push.Gone, Reason: errSubscription.Error()}
	}

	// RFC 8030, section 5: a chat message is of normal urgency.
	h := request.Header
	h.Set("User-Agent", outbound.Agent)
	h.Set("Authorization", "vapid t="+token+", k="+s.public)
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Encoding", "aes128gcm")
	h.Set("TTL", strconv.Itoa(int(min(n.Lifetime(s.o.Now()), maxTTL).Seconds())))
	h.Set("Urgency", "normal")
	if n.Call {
		h.Set("Urgency", "high")
	}
	if n.Collapse != "" {
		h.Set("Topic", n.Collapse)
	}

	answer, err := s.o.Client.Do(ctx, request, maxAnswer)
	if err != nil || answer.Succeeded() {
		return err
	}
	return faultOf(answer)
}

// body is what the browser gets: the keys of Amazon Pinpoint, and what its service worker needs to show them.
func (s *Sender) body(to subscription, n *push.Notification) ([]byte, error) {
	content := map[string]any{"data": n.Data()}
	if n.Collapse != "" {
		content["tag"] = n.Collapse
	}
	if n.Badge >= 0 {
		content["badge"] = n.Badge
	}
	text, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	if len(text) > maxText {
		return nil, &push.Fault{Kind: push.Refused, Reason: fmt.Sprintf("the payload has %d bytes, and the limit is %d", len(text), maxText)}
	}

	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltLen)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	return encrypt(to, own, salt, text)
}

// token names the server to a push service (RFC 8292, section 2).
func (s *Sender) token(endpoint *url.URL) (string, error) {
	return jws.Sign(s.o.Key, "", map[string]any{
		"aud": endpoint.Scheme + "://" + endpoint.Host, "exp": s.o.Now().Add(tokenAge).Unix(), "sub": s.o.Contact,
	})
}

// faultOf reads a refusal. Push services say no more that could be relied upon than a status.
func faultOf(answer *outbound.Answer) *push.Fault {
	f := &push.Fault{Reason: fmt.Sprintf("%s answered %d", answer.Host, answer.Status), After: answer.RetryAfter()}
	switch answer.Status {
	case http.StatusNotFound, http.StatusGone:
		f.Kind = push.Gone
	case http.StatusTooManyRequests: // of one subscription (RFC 8030, section 8.4)
		f.Kind = push.ThrottledDevice
	default:
		if answer.Status < http.StatusInternalServerError {
			f.Kind = push.Refused
		}
	}
	return f
}
