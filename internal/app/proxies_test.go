package app_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	v4 "github.com/aws/aws-sdk-go/aws/signer/v4"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/aws/aws-sdk-go/service/iam"
	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/config"
)

// userWith makes a stored user that may do everything under the condition.
func (n node) userWith(t *testing.T, name, condition string) *credentials.Credentials {
	t.Helper()
	api := iam.New(n.session(t, "http", n.rootKeys()))
	if _, err := api.CreateUser(&iam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	made, err := api.CreateAccessKey(&iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.PutUserPolicy(&iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:*","Resource":"*","Condition":` + condition + `}}`)}); err != nil {
		t.Fatal(err)
	}
	return credentials.NewStaticCredentials(*made.AccessKey.AccessKeyId, *made.AccessKey.SecretAccessKey, "")
}

// proxy is a stand-in for one in front of a node: what it adds to requests and connections.
type proxy struct {
	scheme string // to the node
	header map[string]string
	first  string // bytes that begin each connection
}

// client sends through the proxy.
func (p proxy) client(t *testing.T, n node) *http.Client {
	client := n.httpClient(t)
	transport := client.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil && p.first != "" {
			_, err = io.WriteString(conn, p.first)
		}
		return conn, err
	}
	client.Transport = adding{transport, p.header}
	return client
}

// adding adds headers to requests.
type adding struct {
	http.RoundTripper
	header map[string]string
}

func (a adding) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	return a.RoundTripper.RoundTrip(r)
}

// list makes a call and open opens a WebSocket through the proxy; both tell whether they were allowed.
func (p proxy) list(t *testing.T, n node, keys *credentials.Credentials) bool {
	t.Helper()
	t.Setenv("AWS_CA_BUNDLE", "") // the client has it
	_, err := chimesdkmessaging.New(session.Must(session.NewSession(&aws.Config{
		Endpoint: aws.String(p.scheme + "://" + n.PublicHost()), Region: &n.cfg.Region, Credentials: keys, HTTPClient: p.client(t, n), MaxRetries: aws.Int(0),
	}))).ListChannels(&chimesdkmessaging.ListChannelsInput{AppInstanceArn: &n.Seeded().AppInstanceARN, ChimeBearer: &n.Seeded().UserARNs[0]})
	if err != nil && !strings.Contains(err.Error(), "AccessDenied") {
		t.Fatal(err)
	}
	return err == nil
}

func (p proxy) open(t *testing.T, n node, keys *credentials.Credentials) bool {
	t.Helper()
	r, err := http.NewRequest("GET", "https://"+n.PublicHost()+"/connect?sessionId=s&userArn="+n.Seeded().UserARNs[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v4.NewSigner(keys).Presign(r, nil, "chime", n.cfg.Region, 10*time.Second, time.Now()); err != nil {
		t.Fatal(err)
	}
	conn, _, err := websocket.Dial(t.Context(), p.scheme+"://"+n.PublicHost()+r.URL.RequestURI(), &websocket.DialOptions{HTTPClient: p.client(t, n)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	_, _, err = conn.Read(t.Context())
	if status := websocket.CloseStatus(err); err != nil && status != 4401 {
		t.Fatal(err)
	}
	return err == nil
}

const secureClient = `{"Bool":{"aws:SecureTransport":"true"},"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`

// A policy means the client's connection, not the proxy's.
func TestTrustedProxiesTellOfTheClient(t *testing.T) {
	const proxyV1 = "PROXY TCP4 203.0.113.9 127.0.0.1 4711 443\r\n"
	xff := func(client, scheme string) map[string]string {
		return map[string]string{"X-Forwarded-For": client, "X-Forwarded-Proto": scheme}
	}
	type cases map[string]struct {
		proxy   proxy
		allowed bool
	}
	for name, test := range map[string]struct {
		flags map[string]string
		cases cases
	}{
		"headers": {map[string]string{"trusted-proxies": "127.0.0.0/8,::1/128"}, cases{
			"over TLS":          {proxy{"http", xff("203.0.113.9", "https"), ""}, true},
			"over plain HTTP":   {proxy{"http", xff("203.0.113.9", "http"), ""}, false},
			"TLS to the node":   {proxy{"https", xff("203.0.113.9", "http"), ""}, false},
			"another client":    {proxy{"http", xff("198.51.100.7", "https"), ""}, false},
			"forged by another": {proxy{"http", xff("203.0.113.9, 198.51.100.7", "https"), ""}, false},
			"none":              {proxy{"https", nil, ""}, false},
		}},
		"nobody is trusted": {nil, cases{
			"over TLS": {proxy{"https", xff("203.0.113.9", "https"), ""}, false},
		}},
		"PROXY protocol": {map[string]string{"trusted-proxies": "127.0.0.0/8,::1/128", "proxy-protocol": "true"}, cases{
			"TLS to the node":      {proxy{"https", nil, proxyV1}, true},
			"plain to the node":    {proxy{"http", nil, proxyV1}, false},
			"header of the client": {proxy{"http", xff("203.0.113.9", "https"), proxyV1}, false}, // it is no trusted proxy
			"another client":       {proxy{"https", nil, "PROXY TCP4 198.51.100.7 127.0.0.1 4711 443\r\n"}, false},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			first := start(t, settings(t, config.Dev, nil))
			keys := first.userWith(t, "ann", secureClient)
			cfg := first.cfg
			first.stop()
			flags := map[string]string{"data": cfg.Data}
			for key, value := range test.flags {
				flags[key] = value
			}
			n := start(t, settings(t, config.Dev, flags))
			for name, c := range test.cases {
				if got := c.proxy.list(t, n, keys); got != c.allowed {
					t.Errorf("%s: REST allowed: %v", name, got)
				}
				if got := c.proxy.open(t, n, keys); got != c.allowed {
					t.Errorf("%s: WebSocket allowed: %v", name, got)
				}
			}
		})
	}
}
