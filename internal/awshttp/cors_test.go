package awshttp_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/awshttp"
)

// What the browser build of the JavaScript SDK asks for before a send, sorted
// and in lower case as browsers do it.
const askedHeaders = "amz-sdk-invocation-id,amz-sdk-request,authorization,content-type,x-amz-chime-bearer," +
	"x-amz-content-sha256,x-amz-date,x-amz-security-token,x-amz-user-agent"

func TestPreflights(t *testing.T) {
	for _, test := range []struct {
		name, origin, method, headers string
		allowed                       bool
	}{
		{"send", "https://app.example", "POST", askedHeaders, true},
		{"describe", "https://app.example", "GET", askedHeaders, true},
		{"update", "https://app.example", "PUT", askedHeaders, true},
		{"delete", "https://app.example", "DELETE", askedHeaders, true},
		{"identity pool", "https://app.example", "POST", "cache-control,content-type,x-amz-target,x-amz-user-agent", true},
		{"null origin", "null", "GET", "authorization", true},
		{"other method", "https://app.example", "PATCH", "", false},
		{"other header", "https://app.example", "GET", "x-surprise", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, nil)
			r := httptest.NewRequest("OPTIONS", "/channels/"+channelLabel+"/messages", nil)
			r.Header.Set("Origin", test.origin)
			r.Header.Set("Access-Control-Request-Method", test.method)
			if test.headers != "" {
				r.Header.Set("Access-Control-Request-Headers", test.headers)
			}
			a := f.do(r)
			if a.status != 204 || a.body != "" || len(f.gate.verified) > 0 {
				t.Errorf("%d %s, verified %d times", a.status, a.body, len(f.gate.verified))
			}
			got := a.header.Get("Access-Control-Allow-Origin")
			if !test.allowed {
				if got != "" {
					t.Errorf("allowed: %v", a.header)
				}
				return
			}
			for name, want := range map[string]string{
				"Access-Control-Allow-Origin":      "*",
				"Access-Control-Allow-Methods":     test.method,
				"Access-Control-Allow-Headers":     test.headers,
				"Access-Control-Max-Age":           "86400",
				"Access-Control-Allow-Credentials": "",
			} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestEveryOptionsIsAnswered(t *testing.T) {
	f := newFixture(t, nil)
	for _, path := range []string{"/", "/channels", "/nothing", "//"} {
		if a := f.do(httptest.NewRequest("OPTIONS", "http://h"+path, nil)); a.status != 204 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// A page must be able to read every answer, errors before the service too.
func TestAnswersCanBeReadByPages(t *testing.T) {
	f := newFixture(t, echo)
	unsigned, big, lost := send("x"), send(strings.Repeat("x", awshttp.MaxRESTBody)), request("GET", "/nothing", "")
	unsigned.Header.Del("Authorization")
	for name, r := range map[string]struct {
		answer answer
		status int
	}{
		"ok":        {f.do(fromPage(send("x"))), 201},
		"unsigned":  {f.do(fromPage(unsigned)), 403},
		"too large": {f.do(fromPage(big)), 413},
		"no route":  {f.do(fromPage(lost)), 404},
	} {
		h := r.answer.header
		if r.answer.status != r.status || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", name, r.answer.status, h)
		}
		exposed := strings.ToLower(h.Get("Access-Control-Expose-Headers"))
		for _, header := range []string{"x-amzn-errortype", "x-amzn-requestid", "date", "retry-after", "x-amz-retry-after"} {
			if !strings.Contains(exposed, header) {
				t.Errorf("%s: %q does not expose %s", name, exposed, header)
			}
		}
	}
}

func TestOriginsCanBeNarrowed(t *testing.T) {
	f := newFixture(t, echo, func(o *awshttp.Options) {
		o.AllowOrigin = func(origin string) bool { return origin == "https://page.example" }
	})
	for origin, want := range map[string]string{
		"https://page.example": "https://page.example",
		"https://evil.example": "",
	} {
		r := send("x")
		r.Header.Set("Origin", origin)
		if a := f.do(r); a.status != 201 || a.header.Get("Access-Control-Allow-Origin") != want {
			t.Errorf("%s: %d %v", origin, a.status, a.header)
		}
	}
}
