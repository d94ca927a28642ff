package ends_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/flow/ends"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

const (
	arn    = "arn:aws:lambda:us-east-1:000000000000:function:filter:$LATEST"
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

var call = flow.Invocation{Lambda: arn, Callback: "0190163d-8694-739b-aea5-966c26f8ad90", Event: []byte(`{"CallbackId":"x"}`)}

// serve runs a processor, and returns its URL and what ends at it need.
func serve(t *testing.T, handle http.HandlerFunc) (*url.URL, ends.Caller) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := outbound.New(outbound.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(client.Close)
	return address, ends.Caller{Client: client, Now: time.Now}
}

// TestAnswersOfHTTPProcessors: 200 may hold a decision, every other 2xx leaves it to a callback, and all
// else is a failure.
func TestAnswersOfHTTPProcessors(t *testing.T) {
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := webhook.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		status       int
		body         string
		answer, fail string
	}{
		{200, `{"ChannelMessage":{"Content":"x"}}`, `{"ChannelMessage":{"Content":"x"}}`, ""},
		{200, `{"DeleteResource":true}`, `{"DeleteResource":true}`, ""},
		{200, "", "", ""},
		{200, "OK", "", ""},
		{200, `{"statusCode":200}`, "", ""},
		{202, `{"DeleteResource":true}`, "", ""},
		{204, "", "", ""},
		{302, "", "", "302"},
		{500, `{"DeleteResource":true}`, "", "500"},
		{200, strings.Repeat("x", 65<<10), "", "too large"},
	} {
		address, caller := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != string(call.Event) || r.Method != http.MethodPost || r.URL.Path != "/filter" ||
				r.Header.Get("Content-Type") != "application/json" || r.Header.Get(webhook.HeaderID) != call.Callback {
				t.Errorf("%s %s %v %s", r.Method, r.URL, r.Header, body)
			}
			if err := verifier.Verify(body, r.Header); err != nil {
				t.Errorf("the signature: %v", err)
			}
			w.WriteHeader(tc.status)
			_, _ = io.WriteString(w, tc.body)
		})
		end := &ends.HTTP{Caller: caller, URL: address.JoinPath("filter"), Signer: signer}
		answer, err := end.Invoke(t.Context(), call)
		if string(answer) != tc.answer || (err != nil) != (tc.fail != "") || err != nil && !strings.Contains(err.Error(), tc.fail) {
			t.Errorf("%d %.40s: %s, %v", tc.status, tc.body, answer, err)
		}
	}
}

// keys knows one key.
type keys struct{}

func (keys) SecretKey(_ context.Context, id, _ string) (string, any, error) {
	if id != "AKIALAMBDAKEY0000000" {
		return "", nil, io.ErrUnexpectedEOF
	}
	return "secret", nil, nil
}

// TestLambdaIsInvoked as AWS's SDKs invoke it: signed, asynchronously, under the escaped ARN.
func TestLambdaIsInvoked(t *testing.T) {
	verifier, err := sigv4.New(sigv4.Options{Now: time.Now, Scopes: []sigv4.Scope{{Region: "us-east-1", Service: "lambda"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path, target string
		answer             func(http.Header) (status int, body string)
		decides, fails     bool
	}{
		{"AWS", "", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Afilter%3A%24LATEST/invocations",
			func(http.Header) (int, string) { return 202, "" }, false, false},
		{"an emulator", "/2015-03-31/functions/function/invocations", "/2015-03-31/functions/function/invocations",
			func(http.Header) (int, string) { return 200, `{"DeleteResource":false,"ChannelMessage":{}}` }, true, false},
		{"a function that fails", "", "", func(h http.Header) (int, string) {
			h.Set("X-Amz-Function-Error", "Unhandled")
			return 200, `{"errorMessage":"x"}`
		}, false, true},
		{"an emulator without a result", "", "", func(http.Header) (int, string) { return 200, "" }, false, false},
		{"an emulator with another result", "", "", func(http.Header) (int, string) { return 200, "null" }, false, false},
		{"a function that fails in an emulator", "", "", func(http.Header) (int, string) {
			return 200, `{"errorMessage":"x","errorType":"errorString"}`
		}, false, true},
		{"a function that takes too long in an emulator", "", "", func(http.Header) (int, string) { return 200, "Task timed out after 3.00 seconds" }, false, true},
		{"no function", "", "", func(http.Header) (int, string) { return 404, "" }, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address, caller := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || string(body) != string(call.Event) || r.Header.Get("X-Amz-Invocation-Type") != "Event" || tc.target != "" && r.RequestURI != tc.target {
					t.Errorf("%s %v %s", r.RequestURI, r.Header, body)
				}
				_, err = verifier.Verify(r.Context(), &sigv4.Request{
					Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header, ContentLength: r.ContentLength, BodyHash: sha256.Sum256(body),
				}, keys{})
				if err != nil {
					t.Errorf("the signature: %v", err)
				}
				status, text := tc.answer(w.Header())
				w.WriteHeader(status)
				_, _ = io.WriteString(w, text)
			})
			end := &ends.Lambda{Caller: caller, URL: address.JoinPath(tc.path), Signer: sigv4.Signer{
				Credentials: sigv4.Credentials{AccessKeyID: "AKIALAMBDAKEY0000000", SecretAccessKey: "secret"},
				Scope:       sigv4.Scope{Region: "us-east-1", Service: "lambda"},
			}}
			answer, err := end.Invoke(t.Context(), call)
			if (err != nil) != tc.fails || (answer != nil) != tc.decides {
				t.Errorf("%s, %v", answer, err)
			}
		})
	}
}

func TestTheFirstPatternCounts(t *testing.T) {
	one, two := new(ends.Demo), new(ends.Demo)
	table := ends.Table{{Pattern: "arn:aws:lambda:*:function:filter*", Invoker: one}, {Pattern: "arn:aws:lambda:*", Invoker: two}}
	for lambda, want := range map[string]flow.Invoker{
		arn: one, "arn:aws:lambda:us-east-1:000000000000:function:other": two, "arn:aws:sqs:us-east-1:000000000000:filter": nil,
	} {
		if got := table.Find(lambda); got != want {
			t.Errorf("%s is at %v", lambda, got)
		}
	}
}

func TestTheDemoProcessor(t *testing.T) {
	for content, want := range map[string]string{
		"hello":             `{"DeleteResource":false,"ChannelMessage":{}}`,
		"Spam, spam":        `{"DeleteResource":true,"ChannelMessage":{}}`,
		"no spammer":        `{"DeleteResource":false,"ChannelMessage":{}}`,
		"Darn it, \"darn\"": `{"DeleteResource":false,"ChannelMessage":{"Content":"**** it, \"****\""}}`,
	} {
		event, _ := json.Marshal(map[string]any{"ChannelMessage": map[string]string{"Content": content}})
		answer, err := new(ends.Demo).Invoke(t.Context(), flow.Invocation{Event: event})
		if err != nil || string(answer) != want {
			t.Errorf("%s: %s, %v", content, answer, err)
		}
	}
}
