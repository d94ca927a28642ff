package apns

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/push"
)

// The addresses of Apple's push service.
const (
	Production = "https://api.push.apple.com"
	Sandbox    = "https://api.sandbox.push.apple.com"
)

// The limits of payloads, in bytes.
const (
	maxAlert = 4096
	maxCall  = 5120
)

const (
	typeProduction = "APNS" // of endpoints
	typeSandbox    = "APNS_SANDBOX"

	maxAnswer = 4096 // bytes
)

// Options of a Sender. Topic, Client and Now are required.
type Options struct {
	// Topic is the bundle id of the application. Calls go to the topic with .voip behind it.
	Topic string
	// Client calls the service. With a certificate of the application it needs no Tokens.
	Client *outbound.Client
	Tokens *Tokens
	Now    func() time.Time
	// Endpoint is where both kinds of devices are reached; empty means Production and Sandbox.
	Endpoint string
}

// Sender is a push.Sender.
type Sender struct{ o Options }

// New makes a Sender.
func New(o Options) *Sender { return &Sender{o} }

// Takes implements push.Sender.
func (s *Sender) Takes(device *chime.Endpoint) bool {
	return device.Type == typeProduction || device.Type == typeSandbox
}

// Send implements push.Sender.
func (s *Sender) Send(ctx context.Context, device *chime.Endpoint, n *push.Notification) error {
	body, err := payload(n)
	if err != nil {
		return err
	}
	request, err := s.request(ctx, device, n, body)
	if err != nil {
		return err
	}
	token := ""
	if s.o.Tokens != nil {
		if token, err = s.o.Tokens.token(s.o.Now()); err != nil {
			return &push.Fault{Kind: push.Distrusted, Reason: err.Error()}
		}
		request.Header.Set("Authorization", "bearer "+token)
	}

	answer, err := s.o.Client.Do(ctx, request, maxAnswer)
	if err != nil {
		return err
	}
	if answer.Succeeded() {
		return nil
	}
	fault := faultOf(answer)
	if fault.Reason == reasonExpiredToken && s.o.Tokens != nil {
		s.o.Tokens.drop(token)
	}
	return fault
}

// request is a call, without what proves the server.
func (s *Sender) request(ctx context.Context, device *chime.Endpoint, n *push.Notification, body []byte) (*http.Request, error) {
	token, kind, topic := device.DeviceToken, "alert", s.o.Topic
	expires := strconv.FormatInt(n.Expires.Unix(), 10)
	if n.Call {
		token, kind, topic, expires = device.VoipToken, "voip", topic+".voip", "0" // now or never
	}
	if !isHex(token) {
		return nil, &push.Fault{Kind: push.Gone, Reason: "BadDeviceToken"}
	}

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint(device)+"/3/device/"+token, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	h := request.Header
	h.Set("User-Agent", outbound.Agent)
	h.Set("Content-Type", "application/json")
	h.Set("Apns-Id", n.ID)
	h.Set("Apns-Topic", topic)
	h.Set("Apns-Push-Type", kind)
	h.Set("Apns-Priority", "10")
	h.Set("Apns-Expiration", expires)
	if n.Collapse != "" {
		h.Set("Apns-Collapse-Id", n.Collapse)
	}
	return request, nil
}

func (s *Sender) endpoint(device *chime.Endpoint) string {
	switch {
	case s.o.Endpoint != "":
		return s.o.Endpoint
	case device.Type == typeSandbox:
		return Sandbox
	}
	return Production
}

// isHex reports whether a token has the form of Apple's, so that it names a path.
func isHex(token string) bool {
	for _, c := range []byte(token) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return token != ""
}

// payload is what a device gets: Apple's part, and what applications read under data as they did from Amazon
// Pinpoint.
func payload(n *push.Notification) ([]byte, error) {
	aps := map[string]any{"alert": map[string]string{"title": n.Title, "body": n.Body}}
	limit := maxAlert
	if n.Call {
		limit = maxCall
	} else {
		aps["sound"], aps["thread-id"], aps["mutable-content"] = "default", n.Collapse, 1
		if n.Badge >= 0 {
			aps["badge"] = n.Badge
		}
	}
	body, err := json.Marshal(map[string]any{"aps": aps, "data": n.Data()})
	if err == nil && len(body) > limit { // Title, Body and ARNs are bounded, so it takes characters that JSON escapes
		err = &push.Fault{Kind: push.Refused, Reason: fmt.Sprintf("the payload has %d bytes, and the limit is %d", len(body), limit)}
	}
	return body, err
}

const reasonExpiredToken = "ExpiredProviderToken"

// kinds are the reasons of refusals that do not follow from their status.
var kinds = map[string]push.FaultKind{
	"BadDeviceToken": push.Gone, "Unregistered": push.Gone, "ExpiredToken": push.Gone,
	"DeviceTokenNotForTopic": push.Foreign,
	"TooManyRequests":        push.ThrottledDevice, "TooManyProviderTokenUpdates": push.Throttled,
	reasonExpiredToken: push.Unavailable, // the next attempt has a new token
	"BadTopic":         push.Denied, "MissingTopic": push.Denied, "TopicDisallowed": push.Denied,
	"BadCertificate": push.Denied, "BadCertificateEnvironment": push.Denied, "IdleTimeout": push.Unavailable,
}

// faultOf reads a refusal.
func faultOf(answer *outbound.Answer) *push.Fault {
	var body struct {
		Reason    string `json:"reason"`
		Timestamp int64  `json:"timestamp"` // in milliseconds, of Unregistered
	}
	if json.Unmarshal(answer.Body, &body) != nil || body.Reason == "" {
		body.Reason = fmt.Sprintf("Apple's push service answered %d", answer.Status)
	}
	f := &push.Fault{Reason: body.Reason, After: answer.RetryAfter()}
	if body.Timestamp != 0 {
		f.Since = time.UnixMilli(body.Timestamp)
	}

	kind, known := kinds[body.Reason]
	switch {
	case known:
		f.Kind = kind
	case answer.Status == http.StatusGone:
		f.Kind = push.Gone
	case answer.Status == http.StatusForbidden:
		f.Kind = push.Denied
	case answer.Status == http.StatusTooManyRequests:
		f.Kind = push.Throttled
	case answer.Status < http.StatusInternalServerError:
		f.Kind = push.Refused
	}
	return f
}
