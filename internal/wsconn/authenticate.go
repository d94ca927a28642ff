package wsconn

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Gate decides about connect requests by their presigned URL. access.Service is one.
type Gate interface {
	// Screen refuses with a *sigv4.Error what Connect would refuse without looking at the signature.
	Screen(ctx context.Context, r *sigv4.Request) error
	// Connect's error is a *sigv4.Error or an *api.Error, or a failure of the server.
	Connect(ctx context.Context, r *sigv4.Request, from access.Source) (access.Connection, error)
	// AuthorizeStanding refuses what IAM does not allow to an open connection, by the account as it
	// is now.
	AuthorizeStanding(ctx context.Context, st access.Standing, op *api.Operation, req api.Request) error
}

var _ Gate = (*access.Service)(nil)

// The steps of a refusal after those of sigv4, for Guard.Refused.
const (
	stepRequest = "request" // what the query asks for
	stepPolicy  = "policy"  // what IAM allows
)

// wildClock is farther from the server's time than the clock of any working client.
const wildClock = 24 * time.Hour

// Guard decides about connect requests (spec 2.4).
type Guard struct {
	Gate Gate
	// Secure reports whether a request came over TLS.
	Secure func(*http.Request) bool
	Now    func() time.Time
	// Refused is called for each refusal: the step that failed, one of sigv4's, request or policy,
	// and AWS's name of the error. It may be nil.
	Refused func(step, code string)
	// Audit, if set, is handed every connect request that was decided.
	Audit Auditor
}

// Screen is a ScreenFunc. It refuses queries that are no presigned URL for this service. All that
// a client of AWS may send goes on, because the client learns from the close code whether to come
// back: wrong and expired signatures and keys, and a clock that is wrong by less than a day.
func (g *Guard) Screen(r *http.Request) (refusal string) {
	signed := sigv4.FromHTTP(r, sha256.Sum256(nil))
	e, refused := errors.AsType[*sigv4.Error](g.Gate.Screen(r.Context(), &signed))
	if !refused || e.Step == sigv4.StepKey || e.Step == sigv4.StepClock && !g.isWild(r) {
		return ""
	}
	g.refused(e.Step, e.Code)
	if g.Audit != nil {
		g.Audit.AuditConnect(&Connect{Start: g.Now(), Source: g.source(r), Refusal: e.Step, ErrorType: e.Code, ErrorMessage: e.Message})
	}
	return e.Code + " (" + e.Step + "): " + e.Message
}

// isWild reports whether the clock of a request is no client's.
func (g *Guard) isWild(r *http.Request) bool {
	at, err := time.Parse("20060102T150405Z", r.URL.Query().Get("X-Amz-Date"))
	return err == nil && g.Now().Sub(at).Abs() > wildClock
}

func (g *Guard) refused(step, code string) {
	if g.Refused != nil {
		g.Refused(step, code)
	}
}

// Authenticate is an AuthenticateFunc. Every refusal is 4401, on which clients do not try again
// with the same credentials; its reason says what to mend and holds no secret.
func (g *Guard) Authenticate(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError) {
	signed := sigv4.FromHTTP(r, sha256.Sum256(nil))
	from := g.source(r)
	signed.Secure = from.Secure
	c, err := g.Gate.Connect(ctx, &signed, from)
	if err != nil {
		refused, step, code := refusal(err)
		if step != "" {
			g.refused(step, code)
		}
		if g.Audit != nil {
			g.Audit.AuditConnect(refusedConnect(&signed, &c, from, g.Now(), err))
		}
		return realtime.Grant{}, refused
	}

	grant := realtime.Grant{
		App: c.App, User: c.User, UserARN: c.UserARN, SessionID: c.SessionID, Expires: c.Expires,
		Prefetch: c.Query.Get("prefetch-on") == "connect", PrefetchSort: c.Query.Get("prefetch-sort-by"),
		Resume: c.Query.Has("resume-from"), ResumeFrom: c.Query.Get("resume-from"),
		Extras:   chime.ParseExtras(strings.Split(c.Query.Get("extras"), ",")),
		Standing: c.Standing, Revision: c.Revision, Steady: c.Steady,
	}

	// What becomes of it is known once it is a session.
	if g.Audit != nil {
		grant.Settled = g.settled(&c, from)
	}

	// Clients with extras send texts, each of which is authorised for its operation.
	if grant.Extras != 0 { // such a client may have something to say
		grant.Authorize = func(ctx context.Context, operation string, req api.Request) error {
			return g.Gate.AuthorizeStanding(ctx, c.Standing, &api.Operation{SigningName: "chime", Name: operation}, req)
		}
	}
	return grant, nil
}

// Authority decides about open sockets as Guard did about their requests.
func Authority(s *access.Service) realtime.Authority { return authority{s} }

type authority struct{ *access.Service }

func (a authority) Confirm(ctx context.Context, standing any, app string, user chime.Ref) (steady bool, err error) {
	st, _ := standing.(access.Standing)
	steady, err = a.Reconnect(ctx, st, app, user)
	if err == nil {
		return steady, nil
	}
	if refused, _, _ := refusal(err); refused.Code == realtime.CloseUnauthorized {
		return steady, refused
	}
	return steady, err
}

// refusal puts an error into a close reason, the most useful words first: 123 bytes of it arrive.
// An error that is not about the request has no details and no step.
func refusal(err error) (refused *realtime.CloseError, step, code string) {
	reason := ""
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		step, code, reason = e.Step, e.Code, e.Code+" ("+e.Step+"): "+e.Message
	} else if e, ok := errors.AsType[*access.DeniedError](err); ok {
		step, code = stepPolicy, "AccessDeniedException"
		reason = code + ": no chime:Connect on userArn " + e.Decision.Reason()
	} else if e, ok := errors.AsType[*api.Error](err); ok {
		step, code, reason = stepRequest, e.Type, e.Type+": "+e.Message
	} else {
		return &realtime.CloseError{Code: realtime.CloseInternalError, Reason: "internal error"}, "", ""
	}
	return &realtime.CloseError{Code: realtime.CloseUnauthorized, Reason: reason}, step, code
}
