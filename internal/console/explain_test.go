package console_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/console"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

type explainer struct {
	signed *sigv4.Request
	err    error
}

func (e *explainer) ExplainConnect(_ context.Context, r *sigv4.Request, _ access.Source) (access.Explanation, error) {
	e.signed = r
	return access.Explanation{Step: "clock", Code: "RequestExpired", Message: "too late"}, e.err
}

// The explanation is of a request to /connect, in every mode and under the Host that was signed.
func TestConnectRequestsAreExplained(t *testing.T) {
	e := new(explainer)
	serve := func(o *console.Options) { o.Dev, o.Explainer = nil, e }
	h := newConsole(t, serve)
	w := do(h, "GET", "/_carillon/explain/connect?userArn=a%3Ab&X-Amz-Signature=1", "", map[string]string{"Host": "public.example"})
	equalJSON(t, w.Body.String(), `{"Allowed":false,"Step":"clock","Code":"RequestExpired","Message":"too late"}`)
	if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if e.signed.Target != "/connect?userArn=a%3Ab&X-Amz-Signature=1" || e.signed.Host != "public.example" || e.signed.Method != "GET" {
		t.Errorf("the verifier saw %+v", e.signed)
	}
	for name := range w.Header() {
		if name == "Access-Control-Allow-Origin" {
			t.Error("pages of other sites may read it")
		}
	}
	if w := do(h, "POST", "/_carillon/explain/connect", "", nil); w.Code != 404 {
		t.Errorf("POST: %d", w.Code)
	}
	e.err = errors.New("the disk is gone")
	if w := do(h, "GET", "/_carillon/explain/connect", "", nil); w.Code != 500 {
		t.Errorf("failure: %d %s", w.Code, w.Body)
	}
}

func plaintext(*http.Request) bool { return false }
