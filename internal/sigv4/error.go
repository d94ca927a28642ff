package sigv4

import (
	"errors"
	"fmt"
	"net/http"
)

// Errors for an implementation of Keys to return. Each is answered as a
// refusal; any other error is a failure of the server and passed through.
var (
	// ErrUnknownKey means that no such access key exists or that it is disabled.
	ErrUnknownKey = errors.New("unknown access key")
	// ErrInvalidToken means that the session token does not belong to the
	// access key, is missing, or cannot be opened.
	ErrInvalidToken = errors.New("invalid session token")
	// ErrOrphanToken is an ErrInvalidToken whose role, user or root secret does not exist any
	// more.
	ErrOrphanToken = fmt.Errorf("%w: its role, user or root secret no longer exists", ErrInvalidToken)
	// ErrExpiredToken means that the session token was good and has expired.
	ErrExpiredToken = errors.New("expired session token")
)

// Names sent as x-amzn-ErrorType (spec 10.4).
const (
	CodeMissing      = "MissingAuthenticationTokenException"
	CodeIncomplete   = "IncompleteSignatureException"
	CodeInvalid      = "InvalidSignatureException"
	CodeUnrecognized = "UnrecognizedClientException"
	CodeExpiredToken = "ExpiredTokenException"
	CodeExpired      = "RequestExpired"
)

// The steps of a verification, in their order. Error.Step names the one that
// failed; the set is closed, so it can label a metric.
const (
	StepForm      = "form"      // sizes, and the parts of the signature
	StepScope     = "scope"     // day, region and service of the credential
	StepClock     = "clock"     // time of signing against the server's
	StepHeaders   = "headers"   // what is signed, and what had to be
	StepBody      = "body"      // hash of the body received
	StepKey       = "key"       // access key and session token
	StepSignature = "signature" // the comparison
)

// Error is the refusal of a request. Message is written for the author of a
// signer and holds nothing secret.
type Error struct {
	Code    string // value of x-amzn-ErrorType
	Status  int    // HTTP status, 400 or 403
	Step    string // the step that failed, one of the Step constants
	Message string

	// CanonicalRequest and StringToSign are what the server computed. They are
	// set only by a verifier that explains, and only when the signature did
	// not match. Session tokens are replaced by their length.
	CanonicalRequest string
	StringToSign     string
}

// Error gives code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func incomplete(step, format string, args ...any) error {
	return &Error{Code: CodeIncomplete, Status: http.StatusBadRequest, Step: step, Message: fmt.Sprintf(format, args...)}
}

func invalid(step, format string, args ...any) error {
	return &Error{Code: CodeInvalid, Status: http.StatusForbidden, Step: step, Message: fmt.Sprintf(format, args...)}
}

func expired(format string, args ...any) error {
	return &Error{Code: CodeExpired, Status: http.StatusBadRequest, Step: StepClock, Message: fmt.Sprintf(format, args...)}
}

func missing() error {
	return &Error{Code: CodeMissing, Status: http.StatusForbidden, Step: StepForm,
		Message: "the request has neither an Authorization header nor X-Amz-Signature in its query"}
}

// KeyRefusal turns an error of Keys into the refusal to send, or returns nil
// when the error is not the client's doing.
func KeyRefusal(err error) *Error {
	refusal := &Error{Code: CodeUnrecognized, Status: http.StatusForbidden, Step: StepKey}
	switch {
	case errors.Is(err, ErrUnknownKey):
		refusal.Message = "this server does not know the access key of the request, or it is not active"
	case errors.Is(err, ErrOrphanToken):
		refusal.Message = "the role, user or root secret of the session no longer exists; get new credentials"
	case errors.Is(err, ErrInvalidToken):
		refusal.Message = "the session token of the request is missing or does not belong to its access key"
	case errors.Is(err, ErrExpiredToken):
		refusal.Code = CodeExpiredToken
		refusal.Message = "the session token of the request has expired; get new credentials"
	default:
		return nil
	}
	return refusal
}

// quote shows a client's own value in a message, cut to a readable length.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
