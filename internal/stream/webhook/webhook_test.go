package webhook_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/outbound"
	signing "github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/stream"
	"github.com/carillon-chat/carillon/internal/stream/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// receiver verifies calls and keeps the bodies of those that it takes, by channel.
type receiver struct {
	mu     sync.Mutex
	taken  map[string][]string
	calls  int
	answer func(call int, body string) int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err == nil {
		err = verifier.Verify(body, req.Header)
	}
	if err != nil || req.Header.Get("Content-Type") != "application/json" || req.Header.Get("webhook-id") != "key-"+string(body) {
		http.Error(w, "wrong", http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	status := http.StatusNoContent
	if r.answer != nil {
		status = r.answer(r.calls, string(body))
	}
	if status < 300 {
		channel, _, _ := strings.Cut(string(body), ":")
		r.taken[channel] = append(r.taken[channel], string(body))
	}
	w.WriteHeader(status)
}

func start(t *testing.T, r *receiver, secrets ...string) webhook.Sink {
	t.Helper()
	r.taken = map[string][]string{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	client := outbound.New(outbound.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(client.Close)
	return webhook.New(webhook.Options{
		URL: server.URL + "/hook?token=secret", Client: client, Now: time.Now,
		Signer: func() (*signing.Signer, error) { return signing.NewSigner(secrets...) },
	})
}

// records are n of each of some channels, in turn.
func records(n int, channels ...string) (list []stream.Record) {
	for i := range n {
		for _, c := range channels {
			text := fmt.Sprintf("%s:%d", c, i)
			list = append(list, stream.Record{Key: "key-" + text, Channel: c, Data: []byte(text)})
		}
	}
	return list
}

// TestOrderHoldsWhileAReceiverFails writes what is left until all is taken.
func TestOrderHoldsWhileAReceiverFails(t *testing.T) {
	channels := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	r := &receiver{answer: func(call int, _ string) int {
		if call%7 == 0 {
			return []int{http.StatusInternalServerError, http.StatusTooManyRequests, http.StatusNotFound, http.StatusFound}[call%4]
		}
		return http.StatusOK
	}}
	s := start(t, r, secret)
	left, attempts := records(20, channels...), 0
	for len(left) > 0 {
		written, err := s.Write(t.Context(), left)
		if attempts++; attempts > 1000 || (err == nil) != (len(written) == len(left)) {
			t.Fatalf("attempt %d: %d of %d written, %v", attempts, len(written), len(left), err)
		}
		left = slices.DeleteFunc(left, func(r stream.Record) bool { return slices.Contains(written, r.Key) })
	}
	for _, c := range channels {
		if len(r.taken[c]) != 20 {
			t.Errorf("channel %s has %d records", c, len(r.taken[c]))
		}
		for i, text := range r.taken[c] {
			if want := fmt.Sprintf("%s:%d", c, i); text != want {
				t.Fatalf("record %d of %s is %s", i, c, text)
			}
		}
	}
}

func TestOneChannelDoesNotWaitForAnother(t *testing.T) {
	r := &receiver{answer: func(_ int, body string) int {
		if strings.HasPrefix(body, "bad") {
			return http.StatusBadGateway
		}
		return http.StatusOK
	}}
	written, err := start(t, r, secret).Write(t.Context(), records(3, "bad", "good"))
	if err == nil || strings.Contains(err.Error(), "token") || !strings.Contains(err.Error(), "502") {
		t.Errorf("%v", err)
	}
	if want := []string{"key-good:0", "key-good:1", "key-good:2"}; !slices.Equal(written, want) {
		t.Errorf("written %v, want %v", written, want)
	}
}

func TestSecretsAreNeeded(t *testing.T) {
	if _, err := start(t, new(receiver)).Write(t.Context(), records(1, "a")); err == nil {
		t.Error("a call without a secret is sent")
	}
	other := "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	if _, err := start(t, new(receiver), other).Write(t.Context(), records(1, "a")); err == nil {
		t.Error("a signature of another secret is accepted")
	}
	if _, err := start(t, new(receiver), other, secret).Write(t.Context(), records(1, "a")); err != nil {
		t.Errorf("while secrets are replaced: %v", err)
	}
	guarded := webhook.New(webhook.Options{
		URL: "https://169.254.169.254/latest", Client: outbound.New(outbound.Options{}), Now: time.Now,
		Signer: func() (*signing.Signer, error) { return signing.NewSigner(secret) },
	})
	if _, err := guarded.Write(t.Context(), records(1, "a")); !errors.Is(err, outbound.ErrRefused) {
		t.Errorf("a private address: %v", err)
	}
}
