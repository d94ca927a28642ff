package app_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a running program.
type node struct{ *lab.Node }

func start(t *testing.T, cfg config.Config) node {
	t.Helper()
	return node{lab.Start(t, cfg, app.Deps{})}
}

// at is a peer of the node by its name, as certificates have it.
func (n node) at(scheme string, keys sigv4.Credentials) lab.Peer {
	p := n.Peer().As(keys)
	p.Base = scheme + "://" + n.PublicHost()
	return p
}

// connect opens a WebSocket the way the JavaScript SDK does.
func (n node) connect(t *testing.T, scheme string, keys sigv4.Credentials, userARN string, more ...string) *lab.Socket {
	t.Helper()
	return lab.Opened(t)(n.at(scheme, keys).Connect(t.Context(), userARN, append(more, "sessionId", "s-"+scheme)...))
}

// read takes the next event of a socket.
func read(t *testing.T, s *lab.Socket) lab.Frame {
	t.Helper()
	f, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// session is that of AWS's clients, which trust the node as `carillon dev` tells people to.
func (n node) session(t *testing.T, scheme string, keys sigv4.Credentials) *session.Session {
	t.Helper()
	t.Setenv("AWS_CA_BUNDLE", n.CAFile())
	transport := n.HTTP.Transport.(*http.Transport).Clone() // the session changes it
	t.Cleanup(transport.CloseIdleConnections)
	return session.Must(session.NewSession(&aws.Config{
		Endpoint: aws.String(scheme + "://" + n.PublicHost()), Region: aws.String(n.Config.Region),
		Credentials: credentials.NewStaticCredentials(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
		HTTPClient:  &http.Client{Transport: transport}, MaxRetries: aws.Int(0),
	}))
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
