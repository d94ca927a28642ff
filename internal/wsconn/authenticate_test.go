package wsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

type fakeGate struct {
	signed sigv4.Request
	from   access.Source
	err    error
}

func (g *fakeGate) Screen(context.Context, *sigv4.Request) error { return g.err }

func (g *fakeGate) Connect(_ context.Context, r *sigv4.Request, from access.Source) (access.Connection, error) {
	g.signed, g.from = *r, from
	return access.Connection{App: "a", User: "user/u", UserARN: "arn:user/u", SessionID: "1", Expires: time.Unix(1, 0)}, g.err
}

func (g *fakeGate) AuthorizeStanding(context.Context, access.Standing, *api.Operation, api.Request) error {
	return g.err
}

func isTLS(r *http.Request) bool { return r.TLS != nil }

func TestTheGateSeesTheConnectRequestAsItWasSent(t *testing.T) {
	g := new(fakeGate)
	r := httptest.NewRequest("GET", "/connect?userArn=a%3Ab&sessionId=1", nil)
	r.Host, r.RemoteAddr, r.TLS = "host:1", "192.0.2.1:5", new(tls.ConnectionState)
	r.Header.Set("User-Agent", "browser")
	grant, refused := (&Guard{Gate: g, Secure: isTLS}).Authenticate(t.Context(), r)
	if refused != nil || grant.User != "user/u" || grant.App != "a" || grant.UserARN != "arn:user/u" || grant.SessionID != "1" || grant.Expires != time.Unix(1, 0) {
		t.Errorf("got %+v, %v", grant, refused)
	}
	if g.signed.Target != "/connect?userArn=a%3Ab&sessionId=1" || g.signed.Host != "host:1" || g.from != (access.Source{Remote: "192.0.2.1:5", Secure: true, UserAgent: "browser"}) {
		t.Errorf("the gate saw %+v from %+v", g.signed, g.from)
	}
}

// 123 bytes of a reason arrive, so what helps most is at its beginning.
func TestCloseReasonsSayWhatToMend(t *testing.T) {
	deny := &access.DeniedError{Principal: "arn:aws:sts::000000000000:assumed-role/chat/" + stars(64), Decision: policy.Decision{
		Action: "chime:Connect", Resource: "arn:" + stars(200), Explicit: true, Policy: "inline policy limits", Index: 1,
		Statement: &policy.Statement{Sid: "NotBob"},
	}}
	for _, test := range []struct {
		name   string
		err    error
		code   int
		reason string // as it arrives
	}{
		{"signature", &sigv4.Error{Code: sigv4.CodeInvalid, Step: sigv4.StepSignature, Message: "the signature does not match the request: " + stars(200)},
			4401, "InvalidSignatureException (signature): the signature does not match the request: "},
		{"expired", &sigv4.Error{Code: sigv4.CodeExpired, Step: sigv4.StepClock, Message: "the presigned URL was made too long ago"},
			4401, "RequestExpired (clock): the presigned URL was made too long ago"},
		{"denied", deny, 4401, "AccessDeniedException: no chime:Connect on userArn because of an explicit deny in the inline policy limits, statement 2"},
		{"request", api.BadRequest("userArn", "is missing"), 4401, "BadRequestException: userArn: is missing"},
		{"letters of several bytes", api.BadRequest("", "%s", strings.Repeat("é", 100)), 4401, "BadRequestException: é"},
		{"failure", errors.New("secrets of the store"), 1011, "internal error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, refused := (&Guard{Gate: &fakeGate{err: test.err}, Secure: isTLS}).Authenticate(t.Context(), httptest.NewRequest("GET", "/connect", nil))
			if refused == nil || refused.Code != test.code {
				t.Fatalf("got %v", refused)
			}
			arrives := string(closeFrame(refused.Code, refused.Reason)[4:])
			if !strings.HasPrefix(arrives, test.reason) || len(arrives) > 123 || strings.ToValidUTF8(arrives, "") != arrives {
				t.Errorf("reason %q", arrives)
			}
		})
	}
}

// A socket is closed by a refusal alone: what the store cannot say now is asked again.
func TestAFailureOfTheStoreIsNoRefusal(t *testing.T) {
	inner := memstore.New()
	defer inner.Close()
	broken := false
	st := faulty.New(inner, func(faulty.Call) error {
		if broken {
			return store.ErrUnavailable
		}
		return nil
	})
	s := servicetest.NewAccess(t, st, time.Now)
	c, err := s.Issue(t.Context(), access.SessionRequest{Role: &chime.Role{Name: "gone", ID: "AROA1"}, SessionName: "s", Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	standing := access.NewStanding(c.AccessKeyID, c.SessionToken, access.Source{})
	var refused *realtime.CloseError
	if _, err := Authority(s).Confirm(t.Context(), standing, "A", "user/ann"); !errors.As(err, &refused) || refused.Code != 4401 {
		t.Errorf("a session of no role: %v", err)
	}
	broken = true
	s.Forget()
	if _, err := Authority(s).Confirm(t.Context(), standing, "A", "user/ann"); err == nil || errors.As(err, &refused) {
		t.Errorf("without the store: %v", err)
	}
}
