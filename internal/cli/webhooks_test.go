package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/client"
)

// TestWebhooksFromTheCommandLine subscribes a receiver, has it miss events, and sends them again.
func TestWebhooksFromTheCommandLine(t *testing.T) {
	type call struct {
		header http.Header
		body   []byte
	}
	calls := make(chan call, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			calls <- call{r.Header, body}
		}
	}))
	defer receiver.Close()
	n := devServer(t)
	cli := func(code int, args ...string) string {
		t.Helper()
		got := run(t, t.Context(), nil, append(args, "--dev", "--endpoint", n.endpoint)...)
		if got.code != code {
			t.Fatalf("%q: code %d, %s", args, got.code, got.stderr)
		}
		return got.stdout + got.stderr
	}
	read := func(into any, args ...string) {
		t.Helper()
		if err := json.Unmarshal([]byte(cli(0, args...)), into); err != nil {
			t.Fatalf("%q: %v", args, err)
		}
	}
	say := func(text string) {
		t.Helper()
		cli(0, "send", "--user", "alice", "--channel", "general", text)
	}
	var made client.CreateWebhookResponse
	read(&made, "webhooks", "create", receiver.URL, "--name", "desk", "--data-type", "ChannelMessage")
	expect := func(text, secret string) string {
		t.Helper()
		got := <-calls
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = verifier.Verify(got.body, got.header)
		}
		if err != nil || !strings.Contains(string(got.body), text) {
			t.Errorf("%s: %v", got.body, err)
		}
		return got.header.Get("webhook-id")
	}
	say("one")
	id := expect("one", made.Secret)

	// What it is and what became of it.
	if text := cli(0, "webhooks", "list"); !strings.Contains(text, "desk") || !strings.Contains(text, "ENABLED") {
		t.Errorf("list: %s", text)
	}
	var hook client.Webhook
	read(&hook, "webhooks", "show", "desk")
	if hook.WebhookARN != made.WebhookARN || hook.URL != receiver.URL || hook.DataType != client.MessagingDataTypeChannelMessage {
		t.Errorf("show: %+v", hook)
	}
	var list []client.WebhookDelivery
	for len(list) == 0 || list[0].Status != client.WebhookDeliveryStatusDelivered {
		read(&list, "webhooks", "deliveries", "desk", "--json")
	}
	if len(list) != 1 || list[0].Key != id || list[0].Attempts != 1 {
		t.Errorf("deliveries: %+v", list)
	}
	if text := cli(0, "webhooks", "deliveries", made.WebhookARN); !strings.Contains(text, "CREATE_CHANNEL_MESSAGE") || !strings.Contains(text, list[0].DeliveryID) {
		t.Errorf("deliveries: %s", text)
	}

	// Secrets, sending again, replaying.
	var rotated client.RotateWebhookSecretResponse
	read(&rotated, "webhooks", "rotate-secret", "desk", "--overlap-hours", "1")
	cli(0, "webhooks", "resend", "desk", list[0].DeliveryID)
	if again := expect("one", rotated.Secret); again != id {
		t.Errorf("it comes again as %s, not %s", again, id)
	}
	if text := cli(0, "webhooks", "resend", "desk", "--failed", "--since", "2026-01-01T00:00:00Z"); text != "0\n" {
		t.Errorf("resend --failed: %s", text)
	}
	position, _, _ := strings.Cut(list[0].DeliveryID, "-")
	if text := cli(0, "webhooks", "replay", "desk", "--from-position", position); text != position+"\n" {
		t.Errorf("replay: %s", text)
	}
	expect("one", made.Secret)

	cli(0, "webhooks", "update", "desk", "--disable", "--name", "off", "--event-types", "DELETE_CHANNEL_MESSAGE")
	read(&hook, "webhooks", "show", "off")
	if hook.Status != client.WebhookStatusDisabled || hook.StatusReason == "" || len(hook.EventTypes) != 1 || hook.URL != receiver.URL {
		t.Errorf("show: %+v", hook)
	}
	cli(0, "webhooks", "update", "off", "--enable")
	cli(0, "webhooks", "delete", "off")

	// What is wrong is said.
	for _, test := range []struct {
		code int
		says string
		args []string
	}{
		{1, `no webhook "off"`, []string{"show", "off"}},
		{1, "Url", []string{"create", "ftp://x"}},
		{2, "takes a URL", []string{"create"}},
		{2, "--failed", []string{"resend", made.WebhookARN}},
		{2, "--from or --from-position", []string{"replay", made.WebhookARN}},
		{2, "invalid --from", []string{"replay", made.WebhookARN, "--from", "yesterday"}},
		{1, "WebhookArn", []string{"replay", made.WebhookARN, "--from-position", "1"}},
	} {
		if text := cli(test.code, append([]string{"webhooks"}, test.args...)...); !strings.Contains(text, test.says) {
			t.Errorf("%q: %s", test.args, text)
		}
	}
}
