package fcm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/push"
)

// Endpoint is the address of Google's push service.
const Endpoint = "https://fcm.googleapis.com"

const (
	typeGCM = "GCM" // of endpoints

	maxPayload = 4096     // bytes
	maxAnswer  = 64 << 10 // bytes
	maxTTL     = 28 * 24 * time.Hour
)

// Options of a Sender. Client, Account and Now are required.
type Options struct {
	Client  *outbound.Client
	Account *Account
	Now     func() time.Time
	// Endpoint is where the service is; empty means Endpoint.
	Endpoint string
	// Notification has devices show the notification by themselves.
	Notification bool
}

// Sender is a push.Sender.
type Sender struct {
	o      Options
	url    string
	tokens tokens
}

// New makes a Sender.
func New(o Options) *Sender {
	if o.Endpoint == "" {
		o.Endpoint = Endpoint
	}
	return &Sender{
		o: o, url: o.Endpoint + "/v1/projects/" + o.Account.project + "/messages:send",
		tokens: tokens{account: o.Account, client: o.Client, now: o.Now, turn: make(chan struct{}, 1)},
	}
}

// Takes implements push.Sender. A subscription to Web Push, which is a JSON object, is no token of Google's.
func (s *Sender) Takes(device *chime.Endpoint) bool {
	return device.Type == typeGCM && !strings.HasPrefix(device.DeviceToken, "{")
}

// Send implements push.Sender.
func (s *Sender) Send(ctx context.Context, device *chime.Endpoint, n *push.Notification) error {
	body, err := s.payload(device, n)
	if err != nil {
		return err
	}
	token, err := s.tokens.get(ctx)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", outbound.Agent)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)

	answer, err := s.o.Client.Do(ctx, request, maxAnswer)
	if err != nil {
		return err
	}
	if answer.Succeeded() {
		return nil
	}
	if answer.Status == http.StatusUnauthorized {
		s.tokens.drop(token)
	}
	return faultOf(answer)
}

// message is what Google is sent for one device.
type message struct {
	Token        string            `json:"token"`
	Data         map[string]string `json:"data"`
	Notification *texts            `json:"notification,omitempty"`
	Android      android           `json:"android"`
}

type texts struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

type android struct {
	CollapseKey  string   `json:"collapse_key,omitempty"`
	Priority     string   `json:"priority"`
	TTL          string   `json:"ttl"` // seconds, with an s behind them
	Notification *options `json:"notification,omitempty"`
}

type options struct {
	Tag   string `json:"tag,omitempty"`
	Count *int   `json:"notification_count,omitempty"`
}

func (s *Sender) payload(device *chime.Endpoint, n *push.Notification) ([]byte, error) {
	ttl := min(n.Lifetime(s.o.Now()), maxTTL)
	m := message{Token: device.DeviceToken, Data: n.Data(), Android: android{
		CollapseKey: n.Collapse, Priority: "HIGH", TTL: strconv.Itoa(int(ttl.Seconds())) + "s",
	}}
	if n.Badge >= 0 {
		m.Data["badge"] = strconv.Itoa(n.Badge)
	}
	if s.o.Notification && !n.Call {
		m.Notification = &texts{n.Title, n.Body}
		m.Android.Notification = &options{Tag: n.Collapse}
		if n.Badge >= 0 {
			m.Android.Notification.Count = &n.Badge
		}
	}

	// Google's limit is for keys and values.
	size := 0
	for key, value := range m.Data {
		size += len(key) + len(value)
	}
	if size > maxPayload {
		return nil, &push.Fault{Kind: push.Refused, Reason: fmt.Sprintf("the data have %d bytes, and the limit is %d", size, maxPayload)}
	}
	return json.Marshal(map[string]message{"message": m})
}

// faultOf reads a refusal.
func faultOf(answer *outbound.Answer) *push.Fault {
	var body struct {
		Error struct {
			Status, Message string
			Details         []struct {
				ErrorCode       string
				FieldViolations []struct{ Field string }
			}
		}
	}
	_ = json.Unmarshal(answer.Body, &body) // then only the status counts
	code, aboutToken := body.Error.Status, strings.Contains(body.Error.Message, "registration token")
	for _, d := range body.Error.Details {
		if d.ErrorCode != "" {
			code = d.ErrorCode
		}
		for _, v := range d.FieldViolations {
			aboutToken = aboutToken || v.Field == "message.token"
		}
	}
	if code == "" {
		code = fmt.Sprintf("Google's push service answered %d", answer.Status)
	}

	// A status that is no fault of the device is one of the project or of the service.
	f := &push.Fault{Reason: code, After: answer.RetryAfter()}
	switch {
	case code == "UNREGISTERED", code == "INVALID_ARGUMENT" && aboutToken:
		f.Kind = push.Gone
	case code == "SENDER_ID_MISMATCH":
		f.Kind = push.Foreign
	case answer.Status == http.StatusTooManyRequests:
		f.Kind = push.Throttled
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden, answer.Status == http.StatusNotFound:
		f.Kind = push.Denied
	case answer.Status < http.StatusInternalServerError:
		f.Kind = push.Refused
	}
	return f
}
