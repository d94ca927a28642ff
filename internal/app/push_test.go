package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

const pinpointApp = "arn:aws:mobiletargeting:us-east-1:000000000000:apps/chat"

// register gives the second user of dev mode a device.
func (n node) register(t *testing.T, kind, token string) (endpointID string) {
	t.Helper()
	resp, err := chimesdkidentity.New(n.session(t, "https", n.RootKeys())).RegisterAppInstanceUserEndpoint(&chimesdkidentity.RegisterAppInstanceUserEndpointInput{
		AppInstanceUserArn: &n.Seeded().UserARNs[1], Type: &kind, ResourceArn: aws.String(pinpointApp), ClientRequestToken: aws.String("token-" + kind),
		EndpointAttributes: &chimesdkidentity.EndpointAttributes{DeviceToken: &token},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *resp.EndpointId
}

// notify sends a message with a notification to the channel of dev mode, as the first user.
func (n node) notify(t *testing.T, title string) {
	t.Helper()
	_, err := chimesdkmessaging.New(n.session(t, "https", n.RootKeys())).SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
		ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &n.Seeded().UserARNs[0], Content: aws.String("hello"),
		Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT"), ClientRequestToken: aws.String("say-" + title),
		PushNotification: &chimesdkmessaging.PushNotificationConfiguration{Title: &title, Body: aws.String("body"), Type: aws.String("DEFAULT")},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWebPushKeys: browsers are given the same key again after a restart, and that of a file.
func TestWebPushKeys(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, nil)
	keyOf := func(cfg config.Config) (text string) {
		t.Helper()
		running, err := lab.Run(t.Context(), cfg, app.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		status, body := get(t, running.HTTP, "http://"+running.Addr()+"/_carillon/webpush")
		var reply struct {
			Applications []struct{ Name, Pattern, ApplicationServerKey string }
		}
		if err := json.Unmarshal([]byte(body), &reply); err != nil || status != http.StatusOK || len(reply.Applications) != 1 {
			t.Fatal(status, body, err)
		}
		web := reply.Applications[0]
		if key, err := base64.RawURLEncoding.DecodeString(web.ApplicationServerKey); err != nil || len(key) != 65 || web.Name != "web" || web.Pattern != "arn:aws:mobiletargeting:*:apps/carillon-web" {
			t.Errorf("%s", body)
		}
		if _, chat := get(t, running.HTTP, "http://"+running.Addr()+"/_carillon/chat"); !strings.Contains(chat, `"WebPush":{"ResourceArn":"arn:aws:mobiletargeting:us-east-1:000000000000:apps/carillon-web","ApplicationServerKey":"`+web.ApplicationServerKey) {
			t.Errorf("the page is given %s", chat)
		}
		if err := running.Stop(); err != nil {
			t.Error(err)
		}
		return web.ApplicationServerKey
	}
	first := keyOf(cfg)
	if keyOf(cfg) != first {
		t.Error("another key after a restart")
	}
	cfg.Push = []string{"web arn:aws:mobiletargeting:*:apps/carillon-web webpush key-file=" + writeKey(t)}
	if own := keyOf(cfg); own == first || keyOf(cfg) != own {
		t.Error("the key of the file is not used")
	}
}

// writeKey writes a key on P-256, as Apple hands them out.
func writeKey(t *testing.T) (name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(t.TempDir(), "key.p8")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestPushThroughAPNs has a device that Apple knows at first, and then no more.
func TestPushThroughAPNs(t *testing.T) {
	type call struct{ path, authorization, body string }
	calls := make(chan call, 10)
	statuses := make(chan int, 2)
	statuses <- http.StatusOK
	statuses <- http.StatusGone
	apple := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- call{r.URL.Path, r.Header.Get("Authorization"), string(body)}
		w.WriteHeader(<-statuses)
		_, _ = fmt.Fprint(w, `{"reason":"Unregistered"}`)
	}))
	defer apple.Close()
	notices := filepath.Join(t.TempDir(), "notices.jsonl")
	n := start(t, lab.Settings(t, config.Dev, map[string]string{
		"push": "ios *:apps/chat apns:com.example.chat key-id=ABC123DEFG team-id=DEF123GHIJ key-file=" + writeKey(t) + " endpoint=" + apple.URL, "notice-log": notices,
	}))

	id := n.register(t, "APNS", "00fc13ad")
	n.notify(t, "one")
	if c := <-calls; c.path != "/3/device/00fc13ad" || !strings.HasPrefix(c.authorization, "bearer ey") || !strings.Contains(c.body, `"badge":1`) || !strings.Contains(c.body, `"title":"one"`) {
		t.Errorf("%+v", c)
	}
	n.notify(t, "two")
	<-calls

	// The device is INACTIVE, and the operator gets a notice.
	identities := chimesdkidentity.New(n.session(t, "https", n.RootKeys()))
	for {
		resp, err := identities.DescribeAppInstanceUserEndpoint(&chimesdkidentity.DescribeAppInstanceUserEndpointInput{AppInstanceUserArn: &n.Seeded().UserARNs[1], EndpointId: &id})
		if err != nil {
			t.Fatal(err)
		}
		if state := resp.AppInstanceUserEndpoint.EndpointState; *state.Status == "INACTIVE" {
			if *state.StatusReason != "INVALID_DEVICE_TOKEN" {
				t.Errorf("%s", state)
			}
			break
		}
	}
	for {
		text, err := os.ReadFile(notices)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if strings.HasSuffix(string(text), "\n") {
			if !strings.Contains(string(text), `"detail-type":"Chime Messaging AppInstanceUserEndpoint Delivery Failure"`) || !strings.Contains(string(text), id) {
				t.Errorf("%s", text)
			}
			break
		}
	}
	_, metrics := n.opsCall(t, http.MethodGet, "/metrics")
	for _, line := range []string{
		`carillon_push_notifications_total{application="ios",outcome="delivered"} 1`, `carillon_push_notifications_total{application="ios",outcome="inactive"} 1`,
		`carillon_push_retries_total{application="ios"} 0`, "carillon_push_dropped_total 0", `carillon_follower_lag_events{follower="push-ios"}`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no metric %s", line)
		}
	}
}

// TestPushIsQuiet pushes nothing to a user that is online.
func TestPushIsQuiet(t *testing.T) {
	apple := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer apple.Close()
	n := start(t, lab.Settings(t, config.Dev, map[string]string{
		"push": "ios *:apps/chat apns:com.example.chat key-id=ABC123DEFG team-id=DEF123GHIJ key-file=" + writeKey(t) + " endpoint=" + apple.URL, "push-quiet": "true",
	}))
	n.register(t, "APNS", "00fc13ad")
	read(t, n.connect(t, "https", n.RootKeys(), n.Seeded().UserARNs[1]))
	n.notify(t, "one")
	for {
		_, metrics := n.opsCall(t, http.MethodGet, "/metrics")
		if strings.Contains(metrics, `carillon_push_notifications_total{application="ios",outcome="delivered"} 1`) {
			t.Fatal("a user that is online is pushed to")
		}
		if strings.Contains(metrics, `carillon_push_notifications_total{application="ios",outcome="quiet"} 1`) {
			return
		}
	}
}

// TestPushCredentialsAreChecked at the start.
func TestPushCredentialsAreChecked(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("secret-text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{
		"fcm credentials-file=/nowhere", "webpush key-file=/nowhere", "webpush key-file=" + broken, "fcm credentials-file=" + broken,
		"apns:com.example.chat key-id=ABC123DEFG team-id=DEF123GHIJ key-file=/nowhere", "apns:com.example.chat key-id=ABC123DEFG team-id=DEF123GHIJ key-file=" + broken,
		"apns:com.example.chat certificate-file=/nowhere", "apns:com.example.chat certificate-file=" + broken,
	} {
		_, err := lab.Run(t.Context(), lab.Settings(t, config.Dev, map[string]string{"push": "ios * " + service}), app.Deps{})
		if err == nil || !strings.Contains(err.Error(), "the application ios of the setting push") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", service, err)
		}
	}
}
