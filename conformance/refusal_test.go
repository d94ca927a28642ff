package conformance

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// dial opens a WebSocket whatever comes over it; a refusal comes after the 101.
func (n *node) dial(t *testing.T, target string) socket {
	t.Helper()
	return socket{t, lab.Opened(t)(n.Peer().Dial(t.Context(), target))}
}

func TestSocketsAreRefusedAfterTheUpgrade(t *testing.T) {
	n := start(t, nil)
	alice, bob := n.Seeded().UserARNs[0], n.Seeded().UserARNs[1]
	as := n.Peer().As
	wrong := n.RootKeys()
	wrong.SecretAccessKey = "not-the-secret-of-this-key"
	for _, tc := range []struct {
		name string
		peer lab.Peer
		user string
		at   time.Time
	}{
		{"wrong signature", as(wrong), alice, time.Now()},
		{"expired URL", n.Peer(), alice, time.Now().Add(-5 * time.Minute)},
		{"another user", as(n.UserKeys(t, "alice")), bob, time.Now()},
		{"unknown user", n.Peer(), alice + "-unknown", time.Now()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			target, err := tc.peer.Presign(tc.user, tc.at, 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if code := n.dial(t, target).closed(); code != 4401 {
				t.Errorf("closed with %d, want 4401", code)
			}
		})
	}
}

func TestSocketsAreToldWhyTheyEnd(t *testing.T) {
	n := start(t, nil)
	alice, bob := n.connect(t, n.Seeded().UserARNs[0]), n.connect(t, n.Seeded().UserARNs[1])
	if _, err := n.identity.DeleteAppInstanceUser(&chimesdkidentity.DeleteAppInstanceUserInput{AppInstanceUserArn: &n.Seeded().UserARNs[1]}); err != nil {
		t.Fatal(err)
	}
	if code := bob.closed(); code != 4003 {
		t.Errorf("deleted user: %d, want 4003", code)
	}
	ended := make(chan websocket.StatusCode, 1)
	go func() { ended <- alice.closed() }()
	n.Stop()
	want := websocket.StatusCode(1012)
	if !n.Config.DatabaseURL.IsZero() { // clients of a node that shares its store go to another
		want = 1001
	}
	if code := <-ended; code != want {
		t.Errorf("stop of the server: %d, want %d", code, want)
	}
}

// TestSecretsStayOutOfTheLog works at debug level, with calls that succeed and that fail.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	n := start(t, map[string]string{"log-level": "debug"})
	alice, channel := n.Seeded().UserARNs[0], n.Seeded().ChannelARN
	keys := n.UserKeys(t, "alice")
	wrong := sigv4.Credentials{AccessKeyID: config.DevAccessKeyID, SecretAccessKey: "wrong-secret-of-a-client"}
	for _, c := range []sigv4.Credentials{n.RootKeys(), keys, wrong} {
		_, messaging := n.clients(c)
		for _, to := range []string{channel, channel + "-missing"} { // errors are part of the workload
			_, _ = messaging.SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{ChannelArn: &to, ChimeBearer: &alice,
				Content: p("x"), Type: p("STANDARD"), Persistence: p("PERSISTENT")})
		}
	}
	var signatures []string
	for _, c := range []sigv4.Credentials{n.RootKeys(), keys, wrong} {
		peer := n.Peer().As(c)
		target, err := peer.Presign(alice, time.Now(), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, signature, _ := strings.Cut(target, "X-Amz-Signature=")
		signatures = append(signatures, signature)
		n.dial(t, target)
	}
	n.Stop()
	log := n.Log.String()
	for _, secret := range append(signatures, config.DevSecretAccessKey, wrong.SecretAccessKey, keys.SecretAccessKey, keys.SessionToken,
		"X-Amz-Signature", "X-Amz-Credential", "sessionId=", "Signature=") {
		if secret == "" || strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if !strings.Contains(log, "DEBUG") {
		t.Error("nothing was logged at debug level, so nothing is shown")
	}
}
