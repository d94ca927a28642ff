package access

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// ConnectTarget is the path that a presigned URL of a WebSocket is signed for.
const ConnectTarget = "/connect"

const maxSessionID = 128 // bytes; clients send a number or a UUID

// Connection is what a connect request is entitled to.
type Connection struct {
	Principal *Principal
	App       string
	User      chime.Ref
	UserARN   string
	SessionID string
	Expires   time.Time // of the credentials; zero: never
	Query     url.Values
	// Standing is what Reconnect decides by again, Revision and Steady how long this decision
	// holds.
	Standing Standing
	Revision uint64
	Steady   bool // until the Revision changes
}

// Connect decides about a connect request by its presigned URL (spec 2.4). Its error is a
// *sigv4.Error, a *DeniedError or another *api.Error, or a failure of the server; the connection then
// says no more than what had been verified, its Principal for example. It does not check that the user
// exists.
func (s *Service) Connect(ctx context.Context, signed *sigv4.Request, from Source) (Connection, error) {
	revision := s.Revision() // before anything is looked up
	p, service, err := s.Verify(ctx, signed)
	if err != nil {
		return Connection{}, err
	}
	if service != "chime" {
		return Connection{Principal: p}, &sigv4.Error{Code: sigv4.CodeInvalid, Status: 403, Step: sigv4.StepScope,
			Message: "a WebSocket is signed for the service chime"}
	}

	// Exactly one value of each parameter, so that no reader can pick another.
	_, rawQuery, _ := strings.Cut(signed.Target, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return Connection{Principal: p}, api.BadRequest("", "the query cannot be read")
	}
	for name, values := range query {
		if len(values) > 1 {
			return Connection{Principal: p}, api.BadRequest(name, "is given twice")
		}
	}

	c := Connection{Principal: p, UserARN: query.Get("userArn"), SessionID: query.Get("sessionId"), Expires: p.Expires, Query: query}
	switch {
	case c.UserARN == "":
		return Connection{Principal: p}, api.BadRequest("userArn", "is missing")
	case c.SessionID == "":
		return Connection{Principal: p}, api.BadRequest("sessionId", "is missing")
	case len(c.SessionID) > maxSessionID:
		return Connection{Principal: p}, api.BadRequest("sessionId", "is longer than %d bytes", maxSessionID)
	}

	user, err := s.site.ParseKind("userArn", c.UserARN, chime.KindUser)
	if err != nil {
		return Connection{Principal: p}, err
	}
	c.App, c.User = user.App, user.Ref()

	// The policies of the principal decide whether it may be this user.
	if c.Steady, err = s.mayConnect(ctx, p, c.UserARN, from); err != nil {
		return Connection{Principal: p, UserARN: c.UserARN, SessionID: c.SessionID}, err
	}
	c.Standing, c.Revision = NewStanding(p.AccessKeyID, p.token, from), revision
	return c, nil
}
