package webpush

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// subscription is a PushSubscription.
type subscription struct {
	endpoint *url.URL
	key      *ecdh.PublicKey // of the browser
	secret   []byte          // that authenticates the server to it
}

const secretLen = 16 // bytes

var errSubscription = errors.New("the DeviceToken is not a PushSubscription of https with the keys p256dh and auth")

// parse reads a PushSubscription as browsers write it.
func parse(token string) (s subscription, err error) {
	var text struct {
		Endpoint string `json:"endpoint"`
		Keys     struct {
			P256DH string `json:"p256dh"`
			Auth   string `json:"auth"`
		} `json:"keys"`
	}
	if json.Unmarshal([]byte(token), &text) != nil {
		return s, errSubscription
	}
	s.endpoint, err = url.Parse(text.Endpoint)
	if err != nil || s.endpoint.Scheme != "https" && s.endpoint.Scheme != "http" || s.endpoint.Host == "" || s.endpoint.User != nil {
		return s, errSubscription
	}
	key, err := decode(text.Keys.P256DH)
	if err != nil {
		return s, errSubscription
	}
	if s.key, err = ecdh.P256().NewPublicKey(key); err != nil {
		return s, errSubscription
	}
	if s.secret, err = decode(text.Keys.Auth); err != nil || len(s.secret) != secretLen {
		return s, errSubscription
	}
	return s, nil
}

// decode reads base64url, with or without what fills it up.
func decode(text string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
}

// Service is a push service, by the names of its hosts. *. at the beginning of a name stands for any name below.
type Service struct {
	Name  string // 1 to 7 letters
	Hosts []string
}

// Services are those of the vendors of browsers.
func Services() []Service {
	return []Service{
		{"google", []string{"fcm.googleapis.com"}},
		{"mozilla", []string{"*.push.services.mozilla.com"}},
		{"apple", []string{"*.push.apple.com"}},
		{"windows", []string{"*.notify.windows.com"}},
	}
}

func (s Service) has(host string) bool {
	host = strings.ToLower(host)
	return slices.ContainsFunc(s.Hosts, func(name string) bool {
		if below, any := strings.CutPrefix(name, "*"); any {
			return strings.HasSuffix(host, below)
		}
		return host == name
	})
}
