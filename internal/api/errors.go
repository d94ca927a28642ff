package api

import (
	"fmt"
	"strings"
	"time"
)

// Exception is a kind of error that a service declares: its name, the word it
// has in the body, and its HTTP status.
type Exception struct {
	Type   string // name in the model and in x-amzn-ErrorType or __type
	Code   string // word in the body (chime) or in the XML document (query)
	Status int
}

// The nine exceptions of the messaging and identity APIs (spec 10.3).
var (
	BadRequestException            = Exception{"BadRequestException", "BadRequest", 400}
	ResourceLimitExceededException = Exception{"ResourceLimitExceededException", "ResourceLimitExceeded", 400}
	UnauthorizedClientException    = Exception{"UnauthorizedClientException", "Unauthorized", 401}
	ForbiddenException             = Exception{"ForbiddenException", "Forbidden", 403}
	NotFoundException              = Exception{"NotFoundException", "NotFound", 404}
	ConflictException              = Exception{"ConflictException", "Conflict", 409}
	ThrottledClientException       = Exception{"ThrottledClientException", "Throttled", 429}
	ServiceFailureException        = Exception{"ServiceFailureException", "ServiceFailure", 500}
	ServiceUnavailableException    = Exception{"ServiceUnavailableException", "ServiceUnavailable", 503}
)

// ValidationError is the answer of the query protocol's services (STS, IAM)
// to a request that breaks a constraint; their models do not declare it.
var ValidationError = Exception{"ValidationError", "ValidationError", 400}

// Error is an answer to the caller: an exception of the model or one of the
// errors before the service (spec 10.4).
type Error struct {
	Type    string // x-amzn-ErrorType, for example ForbiddenException
	Code    string // the body's Code, for example Forbidden; may be empty
	Status  int    // HTTP status
	Message string // for the caller: clear, and without secrets
	Member  string // path of the offending member; may be empty
	// RetryAfter is how long to wait before trying again; zero gives no time.
	RetryAfter time.Duration
}

// Error gives the type and the message, as SDKs print them.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Type
	}
	return e.Type + ": " + e.Message
}

// Errorf makes an error of this kind. Arguments reach the caller: no secrets.
func (x Exception) Errorf(format string, args ...any) *Error {
	return &Error{Type: x.Type, Code: x.Code, Status: x.Status, Message: fmt.Sprintf(format, args...)}
}

// BadRequest refuses a request because of one member. The message names it
// first, unless the format already mentions it.
func BadRequest(member, format string, args ...any) *Error {
	e := BadRequestException.Errorf(format, args...)
	e.Member = member
	if member != "" && !strings.Contains(e.Message, member) {
		e.Message = member + ": " + e.Message
	}
	return e
}

// Forbidden refuses by a rule of roles, or because something that the caller
// may not see does not exist (spec 10.5).
func Forbidden(format string, args ...any) *Error {
	return ForbiddenException.Errorf(format, args...)
}

// Unauthorized refuses a bearer that is not registered.
func Unauthorized(format string, args ...any) *Error {
	return UnauthorizedClientException.Errorf(format, args...)
}

// NotFound reports that something is missing. Only operations that declare it may
// answer so (spec 10.5).
func NotFound(format string, args ...any) *Error { return NotFoundException.Errorf(format, args...) }

// Conflict refuses a duplicate or an overtaken change.
func Conflict(format string, args ...any) *Error { return ConflictException.Errorf(format, args...) }

// ResourceLimitExceeded refuses because a quota of resources is used up.
func ResourceLimitExceeded(format string, args ...any) *Error {
	return ResourceLimitExceededException.Errorf(format, args...)
}

// Throttled refuses because a rate is exceeded.
func Throttled(format string, args ...any) *Error {
	return ThrottledClientException.Errorf(format, args...)
}

// ServiceFailure admits a fault of the server.
func ServiceFailure(format string, args ...any) *Error {
	return ServiceFailureException.Errorf(format, args...)
}

// ServiceUnavailable reports that the server cannot do this now.
func ServiceUnavailable(format string, args ...any) *Error {
	return ServiceUnavailableException.Errorf(format, args...)
}

// NotBuilt answers an operation that the server knows but does not offer yet.
func NotBuilt(service, operation string) *Error {
	return ServiceUnavailable("%s of %s is not built yet", operation, service)
}

// AppendJSON appends the body of the rest-json protocol:
// {"Code":"Forbidden","Message":"..."}, without Code when that is empty.
func (e *Error) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	if e.Code != "" {
		b = append(b, `"Code":`...)
		b = AppendString(b, e.Code)
		b = append(b, ',')
	}
	b = append(b, `"Message":`...)
	b = AppendString(b, e.Message)
	return append(b, '}')
}

// AppendTypedJSON appends the body of the json protocol, which carries the
// type: {"__type":"NotAuthorizedException","message":"..."}.
func (e *Error) AppendTypedJSON(b []byte) []byte {
	b = AppendString(append(b, `{"__type":`...), e.Type)
	b = AppendString(append(b, `,"message":`...), e.Message)
	return append(b, '}')
}

// AppendXML appends the document of the query protocol.
func (e *Error) AppendXML(b []byte, namespace, requestID string) []byte {
	fault, code := "Sender", e.Code
	if e.Status >= 500 {
		fault = "Receiver"
	}
	if code == "" {
		code = e.Type
	}

	b = append(b, `<ErrorResponse xmlns="`...)
	b = AppendText(b, namespace)
	b = append(b, `"><Error>`...)
	b = AppendElement(b, "Type", fault)
	b = AppendElement(b, "Code", code)
	b = AppendElement(b, "Message", e.Message)
	b = append(b, `</Error>`...)
	b = AppendElement(b, "RequestId", requestID)
	return append(b, `</ErrorResponse>`...)
}
