package conformance

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/lab"
)

// A socket that is refused says why in its close reason, and the same URL under
// /_carillon/explain says it at length.
func TestRefusedSocketsAreExplained(t *testing.T) {
	n := start(t, nil)
	alice, bob := n.Seeded().UserARNs[0], n.Seeded().UserARNs[1]
	as := n.Peer().As
	wrong := n.RootKeys()
	wrong.SecretAccessKey = "not-the-secret-of-this-key"
	for _, test := range []struct {
		name         string
		peer         lab.Peer
		user         string
		at           time.Time
		step, reason string // of the explanation; beginning of the close reason
		shows        []string
	}{
		{"in order", as(n.UserKeys(t, "alice")), alice, time.Now(), "", "", []string{`"Allowed":true`, alice, `"Expires":"`}},
		{"wrong signature", as(wrong), alice, time.Now(), "signature", "InvalidSignatureException (signature): ", []string{`GET\n/connect\n`, `AWS4-HMAC-SHA256\n`}},
		{"expired URL", n.Peer(), alice, time.Now().Add(-5 * time.Minute), "clock", "RequestExpired (clock): ", nil},
		{"another user", as(n.UserKeys(t, "alice")), bob, time.Now(), "iam", "AccessDeniedException: no chime:Connect on userArn because no identity-based policy allows",
			[]string{"assumed-role/app-instance-user/alice", bob, "implicit deny"}},
		{"unknown user", n.Peer(), alice + "-unknown", time.Now(), "user", "unknown app instance user", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			target, err := test.peer.Presign(test.user, test.at, 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			explained := n.explain(t, target)
			var e struct {
				Allowed       bool
				Step, Message string
			}
			if err := json.Unmarshal([]byte(explained), &e); err != nil || e.Step != test.step || e.Allowed != (test.step == "") || e.Message == "" {
				t.Errorf("%v: %s", err, explained)
			}
			for _, want := range test.shows {
				if !strings.Contains(explained, want) {
					t.Errorf("%s does not show %q", explained, want)
				}
			}
			socket := n.dial(t, target)
			_, _, err = socket.Read(t.Context())
			var closed websocket.CloseError
			if test.step == "" {
				if err != nil {
					t.Errorf("the socket that should open: %v", err)
				}
				return
			}
			if !errors.As(err, &closed) || closed.Code != 4401 || !strings.HasPrefix(closed.Reason, test.reason) {
				t.Errorf("closed with %v", err)
			}
		})
	}
}

// explain asks about the URL of a socket.
func (n *node) explain(t *testing.T, target string) string {
	t.Helper()
	resp, err := n.HTTP.Get(strings.Replace(strings.Replace(target, "ws", "http", 1), "/connect?", "/_carillon/explain/connect?", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text strings.Builder
	if _, err := io.Copy(&text, resp.Body); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp.StatusCode, err)
	}
	return text.String()
}
