package app_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	v4 "github.com/aws/aws-sdk-go/aws/signer/v4"
	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settings are those of dev mode on free ports, with the given changes.
func settings(t *testing.T, mode config.Mode, flags map[string]string) config.Config {
	t.Helper()
	all := map[string]string{"listen": "127.0.0.1:0", "ops-listen": "127.0.0.1:0", "data": filepath.Join(t.TempDir(), "data")}
	for key, value := range flags {
		all[key] = value
	}
	var environ []string
	if mode == config.Serve {
		environ = []string{"CARILLON_ROOT_ACCESS_KEY_ID=AKIASERVE00000000000", "CARILLON_ROOT_SECRET_ACCESS_KEY=a-secret-of-the-test"}
	}
	cfg, err := config.Load(mode, config.Sources{Flags: all, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// node is a running program.
type node struct {
	*app.App
	cfg  config.Config
	log  *logBuffer
	stop func() // and wait for a clean end
}

func start(t *testing.T, cfg config.Config) node {
	t.Helper()
	return startWith(t, cfg, app.Deps{})
}

func startWith(t *testing.T, cfg config.Config, deps app.Deps) node {
	t.Helper()
	n := node{cfg: cfg, log: new(logBuffer)}
	var err error
	deps.Log, deps.Version = slog.New(slog.NewTextHandler(n.log, nil)), "test"
	n.App, err = app.New(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the stop is not clean: %v\n%s", err, n.log)
		}
	})
	t.Cleanup(n.stop)
	<-n.Ready()
	return n
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// httpClient trusts the node's CA alone.
func (n node) httpClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	if n.CAFile() != "" {
		pem, err := os.ReadFile(n.CAFile())
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (n node) session(t *testing.T, scheme string, keys *credentials.Credentials) *session.Session {
	t.Helper()
	t.Setenv("AWS_CA_BUNDLE", n.CAFile()) // as `carillon dev` tells people to
	return session.Must(session.NewSession(&aws.Config{
		Endpoint: aws.String(scheme + "://" + n.PublicHost()), Region: aws.String(n.cfg.Region),
		Credentials: keys, HTTPClient: n.httpClient(t), MaxRetries: aws.Int(0),
	}))
}

func (n node) rootKeys() *credentials.Credentials {
	return credentials.NewStaticCredentials(n.cfg.RootAccessKeyID, n.cfg.RootSecretAccessKey.Reveal(), "")
}

// get reads a path of an address and returns status and body.
func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// userKeys gets alice's credentials as the chat page does.
func (n node) userKeys(t *testing.T, id string) *credentials.Credentials {
	t.Helper()
	resp, err := n.httpClient(t).Post("https://"+n.PublicHost()+"/_carillon/credentials", "application/json", strings.NewReader(`{"UserId":"`+id+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var reply struct {
		ChimeCredentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp.StatusCode, err)
	}
	c := reply.ChimeCredentials
	return credentials.NewStaticCredentials(c.AccessKeyId, c.SecretAccessKey, c.SessionToken)
}

// connect opens a WebSocket the way the JavaScript SDK does.
func (n node) connect(t *testing.T, scheme string, keys *credentials.Credentials, userARN string) *websocket.Conn {
	t.Helper()
	request, err := http.NewRequest("GET", "https://"+n.PublicHost()+"/connect?sessionId=s-"+scheme+"&userArn="+userARN, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v4.NewSigner(keys).Presign(request, nil, "chime", n.cfg.Region, 10*time.Second, time.Now()); err != nil {
		t.Fatal(err)
	}
	url := scheme + strings.TrimPrefix(request.URL.String(), "https")
	conn, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPClient: n.httpClient(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func readEvent(t *testing.T, conn *websocket.Conn) (event string, payload string) {
	t.Helper()
	_, text, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var frame struct {
		Headers map[string]string
		Payload string
	}
	if err := json.Unmarshal(text, &frame); err != nil {
		t.Fatal(err)
	}
	return frame.Headers["x-amz-chime-event-type"], frame.Payload
}
