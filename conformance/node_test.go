package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is the whole program in dev mode, inside this process.
type node struct {
	*app.App
	cfg  config.Config
	log  *logBuffer
	http *http.Client
	stop func() // and wait for a clean end

	identity  *chimesdkidentity.ChimeSDKIdentity // with the root key
	messaging *chimesdkmessaging.ChimeSDKMessaging
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

// start runs a fresh program until the test ends. Flags are those of carillon dev.
func start(t *testing.T, flags map[string]string) *node {
	t.Helper()
	return startWith(t, flags, app.Deps{})
}

// startWith does the same with a clock of the test's own.
func startWith(t *testing.T, flags map[string]string, deps app.Deps) *node {
	t.Helper()
	all := map[string]string{"listen": "127.0.0.1:0", "ops-listen": "127.0.0.1:0", "data": filepath.Join(t.TempDir(), "data")}
	for key, value := range flags {
		all[key] = value
	}
	cfg, err := config.Load(config.Dev, config.Sources{Flags: all})
	if err != nil {
		t.Fatal(err)
	}
	var level slog.LevelVar
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		t.Fatal(err)
	}
	n := &node{cfg: cfg, log: new(logBuffer)}
	log := slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: &level}))
	deps.Log, deps.Version = log, "test"
	if n.App, err = app.New(t.Context(), cfg, deps); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the stop is not clean: %v\n%s", err, n.log)
		}
	})
	t.Cleanup(n.stop)
	<-n.Ready()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	n.http = &http.Client{Transport: transport}
	n.identity, n.messaging = n.clients(n.rootKeys())
	return n
}

func (n *node) rootKeys() sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: n.cfg.RootAccessKeyID, SecretAccessKey: n.cfg.RootSecretAccessKey.Reveal()}
}

// clients are AWS's own, changed in nothing but the endpoint.
func (n *node) clients(keys sigv4.Credentials) (*chimesdkidentity.ChimeSDKIdentity, *chimesdkmessaging.ChimeSDKMessaging) {
	sess := session.Must(session.NewSession(&aws.Config{
		Endpoint: aws.String("http://" + n.Addr()), Region: aws.String(n.cfg.Region), HTTPClient: n.http,
		MaxRetries: aws.Int(0), DisableParamValidation: aws.Bool(true), // the server has to answer, right away
		Credentials: credentials.NewStaticCredentials(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	}))
	return chimesdkidentity.New(sess), chimesdkmessaging.New(sess)
}

// userKeys are credentials of one user, exchanged as the chat page does it.
func (n *node) userKeys(t *testing.T, id string) sigv4.Credentials {
	t.Helper()
	resp, err := n.http.Post("http://"+n.Addr()+"/_carillon/credentials", "application/json", strings.NewReader(`{"UserId":"`+id+`"}`))
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
	return sigv4.Credentials{AccessKeyID: c.AccessKeyId, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
}

// answer is what came back for a request.
type answer struct {
	Status int
	Type   string // x-amzn-ErrorType
	Body   []byte
}

// Message is that of an error.
func (a answer) Message() string {
	var body struct{ Message string }
	_ = json.Unmarshal(a.Body, &body) // empty for what is no error
	return body.Message
}

// peer signs requests and sends them over a real socket.
type peer struct {
	address string
	http    *http.Client
	signer  sigv4.Signer
}

func (n *node) peer() peer {
	return peer{n.Addr(), n.http, sigv4.Signer{Credentials: n.rootKeys(), Scope: sigv4.Scope{Region: n.cfg.Region, Service: "chime"}}}
}

// send signs a request with a body and answers what came back whole.
func (p peer) send(ctx context.Context, method, target, bearer string, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.address+target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if bearer != "" {
		req.Header.Set("X-Amz-Chime-Bearer", bearer)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return p.do(req, body)
}

func (p peer) do(req *http.Request, body []byte) (answer, error) {
	if err := p.signer.Sign(req, sha256.Sum256(body), time.Now()); err != nil {
		return answer{}, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{Status: resp.StatusCode, Type: resp.Header.Get("X-Amzn-ErrorType"), Body: text}, err
}

func p[T any](v T) *T { return &v }
