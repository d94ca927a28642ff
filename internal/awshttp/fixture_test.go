package awshttp_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/awshttp"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

const (
	appARN     = "arn:aws:chime:us-east-1:000000000000:app-instance/a"
	channelARN = appARN + "/channel/c"
	userARN    = appARN + "/user/u"
	// The same in a path, as SDKs send it.
	channelLabel = "arn%3Aaws%3Achime%3Aus-east-1%3A000000000000%3Aapp-instance%2Fa%2Fchannel%2Fc"
)

var errUnsigned = &sigv4.Error{Code: sigv4.CodeMissing, Status: 403, Step: sigv4.StepForm, Message: "the request is not signed"}

// gate lets in whoever names a service in Authorization.
type gate struct {
	verify    func(*sigv4.Request) error
	screen    func(*sigv4.Request) error
	authorize func(*api.Operation, api.Request) error

	mu       sync.Mutex // of requests that are under way together
	verified []sigv4.Request
	source   access.Source // of the last request
}

func (g *gate) Screen(_ context.Context, r *sigv4.Request) error {
	if g.screen != nil {
		return g.screen(r)
	}
	if r.Header.Get("Authorization") == "" {
		return errUnsigned
	}
	return nil
}

func (g *gate) Verify(_ context.Context, r *sigv4.Request) (*access.Principal, string, error) {
	g.mu.Lock()
	g.verified = append(g.verified, *r)
	g.mu.Unlock()
	if g.verify != nil {
		if err := g.verify(r); err != nil {
			return nil, "", err
		}
	}
	service := r.Header.Get("Authorization")
	if service == "" {
		return nil, "", errUnsigned
	}
	return anybody, service, nil
}

func (g *gate) Authorize(_ context.Context, _ *access.Principal, op *api.Operation, req api.Request, from access.Source) error {
	g.mu.Lock()
	g.source = from
	g.mu.Unlock()
	if g.authorize != nil {
		return g.authorize(op, req)
	}
	return nil
}

// stub replaces what an operation does. A nil stub counts the call and answers
// with what the unbuilt service says.
type stub func(ctx context.Context, op *api.Operation, req api.Request) (api.Response, error)

// fixture is the transport over all operations of the five services.
type fixture struct {
	t testing.TB
	http.Handler
	gate gate
	logs bytes.Buffer

	mu       sync.Mutex
	calls    []string // operations that were called, with their service
	observed []observation
}

type observation struct {
	operation string
	status    int
	took      time.Duration
}

func unbuilt() []api.Operation {
	var all []api.Operation
	all = append(all, messaging.Operations(messaging.Unbuilt{})...)
	all = append(all, identity.Operations(identity.Unbuilt{})...)
	all = append(all, sts.Operations(sts.Unbuilt{})...)
	all = append(all, iam.Operations(iam.Unbuilt{})...)
	all = append(all, carillon.Operations(carillon.Unbuilt{})...)
	return append(all, cognito.Operations(cognito.Unbuilt{})...)
}

// newFixture makes one; change adapts the options before it is built.
func newFixture(t testing.TB, run stub, change ...func(*awshttp.Options)) *fixture {
	t.Helper()
	f := &fixture{t: t}
	o := awshttp.Options{
		Gate:       &f.gate,
		Operations: unbuilt(),
		Log:        slog.New(slog.NewTextHandler(&f.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Random:     zeros{},
		Observe: func(operation string, status int, d time.Duration) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.observed = append(f.observed, observation{operation, status, d})
		},
	}
	for _, apply := range change {
		apply(&o)
	}
	for i := range o.Operations {
		op := &o.Operations[i]
		original := op.Call
		op.Call = func(ctx context.Context, req api.Request) (api.Response, error) {
			f.mu.Lock()
			f.calls = append(f.calls, op.Service+" "+op.Name)
			f.mu.Unlock()
			if run != nil {
				return run(ctx, op, req)
			}
			return original(ctx, req)
		}
	}
	h, err := awshttp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.Handler = h
	return f
}

// zeros makes request ids predictable.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

const zeroID = "00000000-0000-4000-8000-000000000000"

// request is one that the gate lets in, signed for chime.
func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "chime")
	return r
}

// form is a request of the query protocol.
func form(signed, body string) *http.Request {
	r := request("POST", "/", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("Authorization", signed)
	return r
}

// target is a request of the json protocol.
func target(signed, name, body string) *http.Request {
	r := request("POST", "/", body)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", name)
	r.Header.Set("Authorization", signed)
	return r
}

// send is a SendChannelMessage that the model accepts.
func send(content string) *http.Request {
	r := request("POST", "/channels/"+channelLabel+"/messages",
		`{"Content":"`+content+`","Type":"STANDARD","Persistence":"PERSISTENT","ClientRequestToken":"token"}`)
	r.Header.Set("X-Amz-Chime-Bearer", userARN)
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) errorType() string { return a.header.Get("x-amzn-ErrorType") }

func (f *fixture) do(r *http.Request) answer {
	f.t.Helper()
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return readAnswer(f.t, w.Result())
}

func readAnswer(t testing.TB, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// expect checks status, error type and a piece of the body.
func (a answer) expect(t testing.TB, status int, errorType, piece string) {
	t.Helper()
	if a.status != status || a.errorType() != errorType || !strings.Contains(a.body, piece) {
		t.Errorf("got %d %q %s\nwant %d %q with %q", a.status, a.errorType(), a.body, status, errorType, piece)
	}
}

// fromPage makes it a request of a web page.
func fromPage(r *http.Request) *http.Request {
	r.Header.Set("Origin", "https://page.example")
	return r
}

// letIn is a gate without a check and without memory.
type letIn struct{}

var anybody = &access.Principal{AccessKeyID: "AKIDEXAMPLE"}

func (letIn) Screen(context.Context, *sigv4.Request) error { return nil }

func (letIn) Verify(context.Context, *sigv4.Request) (*access.Principal, string, error) {
	return anybody, "chime", nil
}

func (letIn) Authorize(context.Context, *access.Principal, *api.Operation, api.Request, access.Source) error {
	return nil
}
