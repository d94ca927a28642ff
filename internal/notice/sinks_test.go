package notice_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/notice"
	"github.com/carillon-chat/carillon/internal/ops/logfile"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
)

// events are two failures of a bot, at the positions 7 and 8.
func events() []*chime.Event {
	list := make([]*chime.Event, 2)
	for i, reason := range []string{"first <&>", "second"} {
		e := notice.Event(chime.At(time.Date(2026, 11, 30, 9, 40, 0, 0, time.UTC)), chime.Topic{App: "app"}, notice.BotFailure{ResourceARN: "bot", FailureReason: reason})
		e.Position = 7 + uint64(i)
		list[i] = &e
	}
	return list
}

func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notices.log")
	file, err := logfile.Open(logfile.Options{Path: path})
	must(t, err)
	f := notice.Follower("notice-log", site, notice.Lines{Out: file})
	must(t, f.Handle(t.Context(), "app", events()))
	must(t, file.Close())
	text, err := os.ReadFile(path)
	must(t, err)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], `"failureReason":"second"`) || !strings.Contains(lines[0], notice.ID("app", 7)) {
		t.Errorf("%s", text)
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	if err := f.Handle(t.Context(), "app", events()); !errors.Is(err, logfile.ErrClosed) {
		t.Errorf("what cannot be written is %v", err)
	}
}

// TestWebhook posts notices to a receiver that verifies them with the published library and refuses the
// second one at first. The second notice comes again, with its id.
func TestWebhook(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	verifier, err := standardwebhooks.NewWebhook(secret)
	must(t, err)
	var got []string // ids and reasons
	refuse := true
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		var n struct {
			ID     string
			Detail struct{ FailureReason string }
		}
		if err = errors.Join(err, json.Unmarshal(body, &n)); err != nil || n.ID != r.Header.Get("Webhook-Id") || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v: %s with %v", err, body, r.Header)
		}
		if refuse && n.Detail.FailureReason == "second" {
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
		got = append(got, n.ID+" "+n.Detail.FailureReason)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()
	signer, err := webhook.NewSigner(secret)
	must(t, err)

	send := func(networks ...netip.Prefix) (follow.Follower, func()) {
		client := outbound.New(outbound.Options{Networks: networks})
		return notice.Follower("notice-url", site, notice.Webhook{Client: client, URL: receiver.URL + "/notices", Signer: signer, Now: time.Now}), client.Close
	}
	guarded, end := send()
	if err := guarded.Handle(context.Background(), "app", events()); !errors.Is(err, outbound.ErrRefused) || len(got) > 0 {
		t.Errorf("a loopback address that is not allowed: %v, %v", err, got)
	}
	end()

	f, end := send(netip.MustParsePrefix("127.0.0.0/8"))
	defer end()
	if err := f.Handle(t.Context(), "app", events()); err == nil || !strings.Contains(err.Error(), "503") || strings.Contains(err.Error(), secret) {
		t.Errorf("a refused notice: %v", err)
	}
	refuse = false
	must(t, f.Handle(t.Context(), "app", events()[1:]))
	if want := notice.ID("app", 7) + " first <&>, " + notice.ID("app", 8) + " second"; strings.Join(got, ", ") != want {
		t.Errorf("received %v, want %s", got, want)
	}
}
