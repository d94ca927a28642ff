package wsconn

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Auditor keeps account of connect requests.
type Auditor interface {
	// AuditConnect is handed a connect request once it is a session or refused. It is called
	// concurrently.
	AuditConnect(c *Connect)
}

// Connect is a connect request that was decided. Requests that are no upgrade, and those that were
// turned away unread because too many wait, are not decided.
type Connect struct {
	Start  time.Time
	Source access.Source
	// Principal is nil when the signature was refused. AccessKeyID is that of the principal, or the key
	// whose signature was refused; empty when there is no such key.
	Principal   *access.Principal
	AccessKeyID string
	// UserARN and SessionID are empty when the request was refused before they were read.
	UserARN, SessionID string

	ErrorType    string // empty for a session
	ErrorMessage string // one line without secrets
	Refusal      string // the step that refused it; empty for a session
}

// stepSession is the step of a refusal of an authorised connection: by the hub, a rate or the time.
const stepSession = "session"

// source describes where a request came from.
func (g *Guard) source(r *http.Request) access.Source {
	return access.Source{Remote: r.RemoteAddr, Secure: g.Secure(r), UserAgent: r.UserAgent()}
}

// refusedConnect describes a request that was refused with an error of Gate.Connect.
func refusedConnect(signed *sigv4.Request, c *access.Connection, from access.Source, now time.Time, err error) *Connect {
	refused, step, code := refusal(err)
	audited := &Connect{
		Start: now, Source: from, Principal: c.Principal, UserARN: c.UserARN, SessionID: c.SessionID,
		Refusal: step, ErrorType: code, ErrorMessage: refused.Reason,
	}
	if step == "" { // the server failed
		audited.Refusal, audited.ErrorType = stepSession, api.ServiceFailureException.Type
	}
	if e, ok := errors.AsType[*api.Error](err); ok {
		audited.ErrorMessage = e.Message
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		audited.ErrorMessage = e.Message
	}

	// A key is named once it is known to be one.
	switch {
	case c.Principal != nil:
		audited.AccessKeyID = c.Principal.AccessKeyID
	case step == sigv4.StepSignature:
		audited.AccessKeyID = signed.AccessKeyID()
	}
	return audited
}

// settled returns what Grant.Settled has to do for an authorised connection.
func (g *Guard) settled(c *access.Connection, from access.Source) func(*realtime.CloseError) {
	audited := &Connect{
		Start: g.Now(), Source: from, Principal: c.Principal, AccessKeyID: c.Principal.AccessKeyID,
		UserARN: strings.Clone(c.UserARN), SessionID: strings.Clone(c.SessionID),
	}
	return func(refused *realtime.CloseError) {
		if refused != nil {
			audited.Refusal, audited.ErrorMessage = stepSession, refused.Reason
			audited.ErrorType = closeErrors[refused.Code]
			if audited.ErrorType == "" {
				audited.ErrorType = api.ServiceUnavailableException.Type
			}
		}
		g.Audit.AuditConnect(audited)
	}
}

// closeErrors names the close codes of refused sessions as errors of the API, which auditors search by.
var closeErrors = map[int]string{
	realtime.CloseThrottled:     api.ThrottledClientException.Type,
	realtime.CloseUnauthorized:  api.ForbiddenException.Type,
	realtime.CloseForbidden:     api.ForbiddenException.Type,
	realtime.CloseInternalError: api.ServiceFailureException.Type,
}
