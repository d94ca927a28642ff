package wsconn

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// connects keeps what it is handed.
type connects []Connect

func (c *connects) AuditConnect(one *Connect) { *c = append(*c, *one) }

// principalGate is a fakeGate that knows the signer.
type principalGate struct{ fakeGate }

func (g *principalGate) Connect(ctx context.Context, r *sigv4.Request, from access.Source) (access.Connection, error) {
	c, err := g.fakeGate.Connect(ctx, r, from)
	c.Principal = &access.Principal{AccessKeyID: "AKIDEXAMPLE"}
	return c, err
}

// TestConnectsAreAudited: each decided connect request is handed over once, with what refused it; an
// authorised one not before it is a session or the hub refused it.
func TestConnectsAreAudited(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name    string
		err     error                // of the gate
		settled *realtime.CloseError // of the hub, when the gate lets it in
		want    Connect
	}{
		{"session", nil, nil, Connect{}},
		{"too many", nil, &realtime.CloseError{Code: realtime.CloseThrottled, Reason: "slowly"}, Connect{Refusal: "session", ErrorType: "ThrottledClientException", ErrorMessage: "slowly"}},
		{"no such user", nil, &realtime.CloseError{Code: realtime.CloseUnauthorized, Reason: "gone"}, Connect{Refusal: "session", ErrorType: "ForbiddenException", ErrorMessage: "gone"}},
		{"late", nil, errTooLate, Connect{Refusal: "session", ErrorType: "ServiceUnavailableException", ErrorMessage: errTooLate.Reason}},
		{"query", api.BadRequest("userArn", "is missing"), nil, Connect{Refusal: "request", ErrorType: "BadRequestException", ErrorMessage: "userArn: is missing"}},
		{"failure", context.DeadlineExceeded, nil, Connect{Refusal: "session", ErrorType: "ServiceFailureException", ErrorMessage: "internal error"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got connects
			gate := &principalGate{fakeGate{err: test.err}}
			g := &Guard{Gate: gate, Secure: isTLS, Now: func() time.Time { return now }, Audit: &got}
			r := httptest.NewRequest("GET", "/connect?userArn=a&sessionId=1", nil)
			grant, refused := g.Authenticate(t.Context(), r)
			if test.err == nil {
				if refused != nil || len(got) != 0 {
					t.Fatalf("it is handed over before it is decided: %v", got)
				}
				grant.Settled(test.settled)
			}
			if len(got) != 1 {
				t.Fatalf("%d are handed over", len(got))
			}
			c := got[0]
			if c.Refusal != test.want.Refusal || c.ErrorType != test.want.ErrorType || test.want.ErrorMessage != "" && c.ErrorMessage != test.want.ErrorMessage {
				t.Errorf("%+v", c)
			}
			if !c.Start.Equal(now) || c.AccessKeyID != "AKIDEXAMPLE" || c.Source.Remote != r.RemoteAddr || c.UserARN != "arn:user/u" || c.SessionID != "1" {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestScreenedConnectsAreAudited: so are those that get no WebSocket because no client sends them.
func TestScreenedConnectsAreAudited(t *testing.T) {
	var got connects
	gate := &fakeGate{err: &sigv4.Error{Code: sigv4.CodeMissing, Step: sigv4.StepForm, Message: "is not signed"}}
	g := &Guard{Gate: gate, Secure: isTLS, Now: time.Now, Audit: &got}
	if g.Screen(httptest.NewRequest("GET", "/connect", nil)) == "" {
		t.Fatal("it is accepted")
	}
	if len(got) != 1 || got[0].Refusal != sigv4.StepForm || got[0].Principal != nil || got[0].AccessKeyID != "" {
		t.Errorf("%+v", got)
	}
}
