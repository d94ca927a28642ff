package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// TestTheAuditLogGoesToASink: a webhook gets every line of the file in its order, signed, although it is away at first
// and over a restart of the node.
func TestTheAuditLogGoesToASink(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu    sync.Mutex
		away  = true
		lines []string
		asked = make(chan struct{}, 1)
	)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var batch struct {
			Records []json.RawMessage
			Key     string
		}
		if err != nil || verifier.Verify(body, r.Header) != nil || json.Unmarshal(body, &batch) != nil || batch.Key != r.Header.Get("Webhook-Id") {
			t.Errorf("%v: %v %s", err, r.Header, body)
		}
		mu.Lock()
		defer mu.Unlock()
		select {
		case asked <- struct{}{}:
		default:
		}
		if away {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		for _, r := range batch.Records {
			lines = append(lines, string(r))
		}
	}))
	defer receiver.Close()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	list := func(n node) {
		t.Helper()
		if _, err := n.Peer().Send(t.Context(), http.MethodGet, "/app-instances", "", nil); err != nil {
			t.Fatal(err)
		}
	}

	// The sink is away until the node was stopped once.
	n, path := audited(t, map[string]string{"audit-sink": receiver.URL + "/audit secret-file=" + file, "audit-sink-backlog": "1MiB"})
	list(n)
	<-asked
	for strings.Contains(metricsOf(t, n), "\ncarillon_audit_sink_failures_total 0\n") {
	}
	if metrics := metricsOf(t, n); strings.Contains(metrics, "\ncarillon_audit_sink_lag_bytes 0\n") || !strings.Contains(metrics, "\ncarillon_audit_sink_sent_total 0\n") {
		t.Errorf("%s", metrics)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	away = false
	mu.Unlock()
	n = start(t, n.Config)
	list(n)

	// A stop sends what there is, the line of the stop itself too.
	want := auditLines(t, n, path)
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(lines, want) || !strings.Contains(want[len(want)-1], "StopLogging") {
		t.Errorf("the sink has\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestCheckOfTheAuditSink: what keeps it from being opened stops the start.
func TestCheckOfTheAuditSink(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, map[string]string{
		"audit-log": filepath.Join(t.TempDir(), "audit.log"), "audit-sink": "https://siem.example.com secret-file=" + filepath.Join(t.TempDir(), "none"),
	})
	_, err := lab.Run(t.Context(), cfg, app.Deps{})
	if err == nil || !strings.Contains(err.Error(), "audit-sink") || !strings.Contains(err.Error(), "none") {
		t.Errorf("got %v", err)
	}
}
