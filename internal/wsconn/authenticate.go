package wsconn

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Gate verifies who signed a connect request and whether they may connect.
type Gate interface {
	Verify(ctx context.Context, r *sigv4.Request) (*access.Principal, error)
	AuthorizeConnect(p *access.Principal, userARN string) error
}

const maxSessionID = 128 // bytes; clients send a number or a UUID

// Authenticator decides about connect requests by their presigned URL (spec 2.4). Every
// refusal is 4401, which tells clients not to try again with the same credentials; its reason
// says what to mend and holds no secret.
func Authenticator(gate Gate, site chime.Site) func(context.Context, *http.Request) (realtime.Grant, *realtime.CloseError) {
	return func(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError) {
		signed := sigv4.FromHTTP(r, sha256.Sum256(nil))
		p, err := gate.Verify(ctx, &signed)
		if err != nil {
			return realtime.Grant{}, refusal(err)
		}
		if p.Service != "chime" {
			return realtime.Grant{}, refuse("the signature must be for the service chime")
		}
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return realtime.Grant{}, refuse("the query cannot be read")
		}
		arn, id := query.Get("userArn"), query.Get("sessionId")
		switch {
		case arn == "":
			return realtime.Grant{}, refuse("userArn is missing")
		case id == "":
			return realtime.Grant{}, refuse("sessionId is missing")
		case len(id) > maxSessionID:
			return realtime.Grant{}, refuse("sessionId is too long")
		}
		user, err := site.ParseKind("userArn", arn, chime.KindUser)
		if err != nil {
			return realtime.Grant{}, refusal(err)
		}
		if err := gate.AuthorizeConnect(p, arn); err != nil {
			return realtime.Grant{}, refusal(err)
		}
		return realtime.Grant{
			App: user.App, User: user.Ref(), UserARN: arn, SessionID: id, Expires: p.Expires,
		}, nil
	}
}

func refuse(reason string) *realtime.CloseError {
	return &realtime.CloseError{Code: realtime.CloseUnauthorized, Reason: reason}
}

// refusal puts an error into a close reason; one that is not about the request says nothing.
func refusal(err error) *realtime.CloseError {
	var signature *sigv4.Error
	var answer *api.Error
	switch {
	case errors.As(err, &signature):
		return refuse(signature.Code + ": " + signature.Message)
	case errors.As(err, &answer) && answer.Type == "AccessDeniedException":
		return refuse("AccessDeniedException: not authorized to perform chime:Connect on userArn")
	case errors.As(err, &answer):
		return refuse(answer.Message)
	}
	return &realtime.CloseError{Code: realtime.CloseInternalError, Reason: "internal error"}
}
