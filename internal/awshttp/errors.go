package awshttp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
)

// fault turns an error into the answer for the client. What the client must
// not see is left in x.failure for the log.
func (t *transport) fault(x *exchange, err error) *api.Error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		x.step = refusedBy(err)
		return e
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		x.step = e.Step
		return t.refusal(x.operation(), e)
	}
	if errors.Is(err, store.ErrPageToken) {
		return api.BadRequest("NextToken", "does not belong to this list")
	}
	x.failure = err
	if isUnavailable(err) {
		return api.ServiceUnavailable("the server cannot reach its data at the moment; try again")
	}
	return api.ServiceFailure("the server failed; its log has the reason under this request id")
}

// queryCodes are the names that the query protocol has for refusals of a
// signature.
var queryCodes = map[string]string{
	sigv4.CodeMissing:      "MissingAuthenticationToken",
	sigv4.CodeIncomplete:   "IncompleteSignature",
	sigv4.CodeInvalid:      "SignatureDoesNotMatch",
	sigv4.CodeUnrecognized: "InvalidClientTokenId",
	sigv4.CodeExpiredToken: "ExpiredToken",
}

// refusal is the answer to a request that the gate did not let in.
func (t *transport) refusal(op *api.Operation, e *sigv4.Error) *api.Error {
	message := e.Message
	if e.Step != "" {
		message += " (refused at the step " + quote(e.Step) + ")"
	}
	if t.options.Explain && e.CanonicalRequest != "" {
		message += "\n\nThe server computed this canonical request:\n" + e.CanonicalRequest +
			"\n\nand this string to sign:\n" + e.StringToSign
	}
	answer := &api.Error{Type: e.Code, Status: e.Status, Message: message}
	if op.Protocol == api.Query {
		answer.Code = queryCodes[e.Code]
	}
	return answer
}

func unknownOperation(status int, message string) error {
	return &api.Error{Type: "UnknownOperationException", Status: status, Message: message}
}

// Undeclared reports whether an operation answered an error that its model
// does not declare, which typed clients cannot catch by name. One is on
// purpose: DescribeAppInstanceUser answers that a user does not exist (spec
// 10.5), because applications rely on it. ValidationError and AccessDenied are
// nowhere declared in the query protocol. Faults of the server may come from
// every operation of the protocols that do not model them.
func Undeclared(op *api.Operation, err error) bool {
	e, ok := errors.AsType[*api.Error](err)
	switch {
	case !ok || op.Declares(e.Type):
		return false
	case op.Protocol == api.Query && (e.Type == api.ValidationError.Type || e.Code == "AccessDenied"):
		return false
	case op.Name == "DescribeAppInstanceUser" && e.Type == api.NotFoundException.Type:
		return false
	case op.Protocol != api.RESTJSON:
		return e.Status < http.StatusInternalServerError
	}
	return true
}

func (t *transport) reportUndeclared(x *exchange, err error) {
	if err == nil || !Undeclared(x.op, err) {
		return
	}
	e, _ := errors.AsType[*api.Error](err)
	t.options.Log.LogAttrs(x.r.Context(), slog.LevelWarn, "the operation answers an error that its model does not declare",
		append(x.attrs(), slog.String("error", e.Type))...)
}

// panicError is a handler's panic on its way to the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// quote shows a client's own value in a message, cut to a readable length.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most]
	}
	return fmt.Sprintf("%q", s)
}
