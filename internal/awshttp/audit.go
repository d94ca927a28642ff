package awshttp

import (
	"net/http"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Auditor keeps account of calls.
type Auditor interface {
	// AuditCall is handed a call once it is answered, before the connection goes on to the next. The call
	// and what it refers to are valid until it returns. It is called concurrently.
	AuditCall(c *Call)
}

// Call is an answered request.
type Call struct {
	RequestID string
	Start     time.Time
	Source    access.Source
	// Operation has the name "unknown" when the caller was refused before the request was interpreted,
	// or names none.
	Operation *api.Operation
	// Principal is nil for operations without a signature and for refused signatures. AccessKeyID is that
	// of the principal, or the key whose signature was refused; empty when there is no such key.
	Principal   *access.Principal
	AccessKeyID string
	// Request is nil when it was not read, Response when the operation did not succeed.
	Request  api.Request
	Response api.Response

	Status       int // of HTTP; 499 when the client left before there was an answer
	ErrorType    string
	ErrorMessage string // one line without secrets
	Refusal      string // the step that refused the call; empty when the caller was allowed to make it
}

// The steps of a refusal in addition to those of sigv4 and "policy".
const (
	stepRequest = "request" // the request names no operation, or breaks its constraints
	stepRate    = "rate"
	stepRole    = "role"   // what the bearer may do in the app instance or channel
	stepServer  = "server" // the server failed before it could decide
)

// audit hands the exchange to the auditor.
func (t *transport) audit(x *exchange, status int) {
	c := Call{
		RequestID: x.id, Start: x.start, Source: t.source(x.r), Operation: x.operation(), Principal: x.principal,
		Request: x.request, Response: x.response, Status: status, ErrorType: x.errorType, Refusal: x.refusal(status),
	}
	c.ErrorMessage, _, _ = strings.Cut(x.message, "\n") // an explained signature has more of the request

	// A key is named once it is known to be one: before that it may be anything.
	switch {
	case x.principal != nil:
		c.AccessKeyID = x.principal.AccessKeyID
	case x.step == sigv4.StepSignature:
		c.AccessKeyID = x.signed.AccessKeyID()
	}
	t.options.Audit.AuditCall(&c)
}

// refusal is the step that refused the caller, empty when the call was allowed, whatever came of it.
func (x *exchange) refusal(status int) string {
	switch {
	case x.step != "":
		return x.step
	case !x.allowed && status >= http.StatusInternalServerError, !x.allowed && status == statusClientLeft:
		return stepServer
	case !x.allowed:
		return stepRequest
	case status == http.StatusTooManyRequests:
		return stepRate
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return stepRole
	}
	return ""
}
