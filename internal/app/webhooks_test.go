package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// TestWebhooksAreCounted subscribes one receiver that takes what comes, one that refuses it, and one that is
// disabled, and reads the metrics. Who may not subscribe is refused.
func TestWebhooksAreCounted(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	var verifier atomic.Pointer[standardwebhooks.Webhook]
	takes := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if v := verifier.Load(); err != nil || v == nil || v.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer takes.Close()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	defer refuses.Close()
	root, hooks := n.Peer(), "/carillon/app-instances/"+url.PathEscape(n.Seeded().AppInstanceARN)+"/webhooks"
	create := func(name, at string) (made struct{ WebhookArn, Secret string }) {
		t.Helper()
		if err := root.Call(t.Context(), http.MethodPost, hooks, "", map[string]string{"Name": name, "Url": at, "DataType": "ChannelMessage"}, &made); err != nil {
			t.Fatal(err)
		}
		return made
	}
	v, err := standardwebhooks.NewWebhook(create("takes", takes.URL).Secret)
	if err != nil {
		t.Fatal(err)
	}
	verifier.Store(v)
	create("refuses", refuses.URL)
	off := create("off", takes.URL)
	if err := root.Call(t.Context(), http.MethodPut, "/carillon/webhooks/"+url.PathEscape(off.WebhookArn), "", map[string]string{
		"Name": "off", "Url": takes.URL, "Status": "DISABLED",
	}, nil); err != nil {
		t.Fatal(err)
	}
	n.say(t, "counted")

	wanted := []string{
		`carillon_webhooks{status="enabled"} 2`, `carillon_webhooks{status="failing"} 1`, `carillon_webhooks{status="disabled"} 1`,
		`carillon_webhook_deliveries_total{outcome="delivered"} 1`, `carillon_webhook_deliveries_total{outcome="failed"} 0`,
		"carillon_webhook_deliveries_pending 1", `carillon_follower_lag_events{follower="webhooks"} 0`,
	}
	for missing := wanted; len(missing) > 0; {
		_, metrics := n.opsCall(t, http.MethodGet, "/metrics")
		missing = nil
		if !strings.Contains(metrics, "carillon_webhook_failed_attempts_total ") || strings.Contains(metrics, "carillon_webhook_failed_attempts_total 0\n") {
			missing = append(missing, "failed attempts")
		}
		for _, line := range wanted {
			if !strings.Contains(metrics, line+"\n") {
				missing = append(missing, line)
			}
		}
	}

	// A user's own credentials give no permission.
	user := n.Seeded().UserARNs[0]
	keys := n.UserKeys(t, user[strings.LastIndexByte(user, '/')+1:])
	stranger := root.As(keys)
	r, err := stranger.Request(t.Context(), http.MethodGet, hooks, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := stranger.Do(r)
	if err != nil || answer.Status != http.StatusForbidden || !strings.Contains(string(answer.Body), "carillon:ListWebhooks") {
		t.Errorf("%d %s, %v", answer.Status, answer.Body, err)
	}
	var shown struct{ Webhooks []json.RawMessage }
	if err := root.Call(t.Context(), http.MethodGet, hooks, "", nil, &shown); err != nil || len(shown.Webhooks) != 3 || strings.Contains(string(shown.Webhooks[0]), "ecret") {
		t.Errorf("%s, %v", shown.Webhooks, err)
	}
}
