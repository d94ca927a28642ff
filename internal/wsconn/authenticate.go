package wsconn

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strconv"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Gate decides about connect requests by their presigned URL. access.Service is one.
type Gate interface {
	// Connect's error is a *sigv4.Error or an *api.Error, or a failure of the server.
	Connect(ctx context.Context, r *sigv4.Request, from access.Source) (access.Connection, error)
	// AuthorizeStanding refuses what IAM does not allow to an open connection, by the account as it
	// is now.
	AuthorizeStanding(ctx context.Context, st access.Standing, op *api.Operation, req api.Request) error
}

var _ Gate = (*access.Service)(nil)

// Authenticator decides about connect requests (spec 2.4). secure reports whether a request came
// over TLS. Every refusal is 4401, which tells clients not to try again with the same
// credentials; its reason says what to mend and holds no secret.
func Authenticator(gate Gate, secure func(*http.Request) bool) AuthenticateFunc {
	return func(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError) {
		signed := sigv4.FromHTTP(r, sha256.Sum256(nil))
		from := access.Source{Remote: r.RemoteAddr, Secure: secure(r), UserAgent: r.UserAgent()}
		c, err := gate.Connect(ctx, &signed, from)
		if err != nil {
			return realtime.Grant{}, refusal(err)
		}
		attempt, _ := strconv.ParseUint(c.Query.Get("attempt"), 10, 32)
		grant := realtime.Grant{
			App: c.App, User: c.User, UserARN: c.UserARN, SessionID: c.SessionID, Expires: c.Expires, Signed: c.Signed, Attempt: uint32(attempt),
			Prefetch: c.Query.Get("prefetch-on") == "connect", PrefetchSort: c.Query.Get("prefetch-sort-by"),
			Resume: c.Query.Has("resume-from"), ResumeFrom: c.Query.Get("resume-from"),
			Extras:   realtime.ParseExtras(c.Query.Get("extras"), ","),
			Standing: c.Standing, Revision: c.Revision, Steady: c.Steady,
		}
		if grant.Extras != 0 { // such a client may have something to say
			grant.Authorize = func(ctx context.Context, operation string, req api.Request) error {
				return gate.AuthorizeStanding(ctx, c.Standing, &api.Operation{SigningName: "chime", Name: operation}, req)
			}
		}
		return grant, nil
	}
}

// Authority decides about open sockets as Authenticator did about their requests.
func Authority(s *access.Service) realtime.Authority { return authority{s} }

type authority struct{ *access.Service }

func (a authority) Confirm(ctx context.Context, standing any, app string, user chime.Ref) (steady bool, err error) {
	st, _ := standing.(access.Standing)
	steady, err = a.Reconnect(ctx, st, app, user)
	if err == nil {
		return steady, nil
	}
	if refused := refusal(err); refused.Code == realtime.CloseUnauthorized {
		return steady, refused
	}
	return steady, err
}

// refusal puts an error into a close reason, the most useful words first: 123 bytes of it arrive.
// One that is not about the request says nothing.
func refusal(err error) *realtime.CloseError {
	reason := ""
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		reason = e.Code + " (" + e.Step + "): " + e.Message
	} else if e, ok := errors.AsType[*access.DeniedError](err); ok {
		reason = "AccessDeniedException: no chime:Connect on userArn " + e.Decision.Reason()
	} else if e, ok := errors.AsType[*api.Error](err); ok {
		reason = e.Type + ": " + e.Message
	} else {
		return &realtime.CloseError{Code: realtime.CloseInternalError, Reason: "internal error"}
	}
	return &realtime.CloseError{Code: realtime.CloseUnauthorized, Reason: reason}
}
