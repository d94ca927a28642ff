package webhook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/internal/outbound/webhook"
)

const (
	oldSecret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret   = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	otherSecret = "whsec_plJ3nmyCDGBKInavdOK15jsl6oVwMfUe"
)

func signer(t *testing.T, secrets ...string) *webhook.Signer {
	t.Helper()
	s, err := webhook.NewSigner(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestThePublishedLibraryVerifies has the project's own library verify, once for each secret.
func TestThePublishedLibraryVerifies(t *testing.T) {
	body := []byte(`{"EventType":"CREATE_CHANNEL_MESSAGE","Payload":{"Content":"grüße"}}`)
	sign := func(secrets ...string) http.Header {
		header := http.Header{}
		signer(t, secrets...).Sign(header, "app/7/stream", time.Now(), body)
		return header
	}
	verify := func(secret string, header http.Header, body []byte) error {
		t.Helper()
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		return verifier.Verify(body, header)
	}

	rotating := sign(newSecret, oldSecret)
	for secret, good := range map[string]bool{oldSecret: true, newSecret: true, otherSecret: false} {
		if err := verify(secret, rotating, body); (err == nil) != good {
			t.Errorf("with %s: %v", secret, err)
		}
	}
	if err := verify(oldSecret, sign(newSecret), body); err == nil {
		t.Error("a secret that was removed still verifies")
	}
	if err := verify(newSecret, rotating, append([]byte(" "), body...)); err == nil {
		t.Error("a changed body verifies")
	}
	for _, name := range []string{webhook.HeaderID, webhook.HeaderTimestamp} {
		changed := rotating.Clone()
		changed.Set(name, rotating.Get(name)+"0")
		if err := verify(newSecret, changed, body); err == nil {
			t.Errorf("a changed %s verifies", name)
		}
	}
}

// TestVector is an example of the standard's documentation.
func TestVector(t *testing.T) {
	header := http.Header{}
	signer(t, oldSecret).Sign(header, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 999), []byte(`{"test": 2432232314}`))
	want := http.Header{
		"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"},
		"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	}
	for name := range want {
		if header.Get(name) != want.Get(name) {
			t.Errorf("%s is %q, want %q", name, header.Get(name), want.Get(name))
		}
	}
}

func TestSecretsAreChecked(t *testing.T) {
	for _, secrets := range [][]string{
		nil, {""}, {"whsec_"}, {strings.TrimPrefix(oldSecret, "whsec_")}, {"whsec_c2hvcnQ="}, {"whsec_" + strings.Repeat("AAAA", 22)},
		{oldSecret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS*"},
	} {
		_, err := webhook.NewSigner(secrets...)
		if err == nil {
			t.Errorf("%q are secrets", secrets)
			continue
		}
		for _, secret := range secrets {
			if text := strings.TrimPrefix(secret, "whsec_"); text != "" && strings.Contains(err.Error(), text) {
				t.Errorf("the error tells the secret: %v", err)
			}
		}
	}
}
