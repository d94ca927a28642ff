package awshttp

import (
	"net/http"
	"strconv"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
)

// Names of headers as net/http keeps them; names are read without regard to
// case.
const (
	headerRequestID = "X-Amzn-Requestid"
	headerErrorType = "X-Amzn-Errortype"
	// SDKs read one of the two, or wait as long as they please (docs/spec/clients.md 3).
	headerRetryAfter   = "Retry-After"       // whole seconds
	headerRetryAfterMS = "X-Amz-Retry-After" // milliseconds
)

// Shared header values; they are never changed.
var contentTypes = map[api.Protocol][]string{
	api.RESTJSON: {"application/json"},
	api.JSON:     {"application/x-amz-json-1.1"},
	api.Query:    {"text/xml"},
}

// answer writes the body in x.buf, or the error, and returns the status.
func (t *transport) answer(x *exchange, err error) int {
	op := x.operation()
	status := op.Status
	h := x.w.Header()

	h[headerRequestID] = []string{x.id}
	if x.unread {
		x.leaveUnread()
	}

	// SDKs dispatch on the error's type, and wait as long as the answer says.
	if err != nil {
		e := t.fault(x, err)
		status, x.errorType, x.message = e.Status, e.Type, e.Message
		if op.Protocol != api.Query {
			h[headerErrorType] = []string{e.Type}
		}
		if e.RetryAfter > 0 {
			h[headerRetryAfter] = []string{roundedUp(e.RetryAfter, time.Second)}
			h[headerRetryAfterMS] = []string{roundedUp(e.RetryAfter, time.Millisecond)}
		}
		x.buf = op.AppendError(x.buf[:0], e, x.id)
	}

	if status == http.StatusNoContent {
		x.w.WriteHeader(status)
		return status
	}

	h["Content-Type"] = contentTypes[op.Protocol]
	h["Content-Length"] = []string{strconv.Itoa(len(x.buf))}
	x.w.WriteHeader(status)
	x.bytes, _ = x.w.Write(x.buf) // the client may be gone; the answer is over either way
	return status
}

// unreadTimeout is how long a client may go on sending a body that was refused, before it is cut
// off.
const unreadTimeout = 2 * time.Second

// leaveUnread ends the connection after the answer: what is left of the body must not be taken for
// a request. net/http drops some of it meanwhile, without keeping it, so that a client which sends
// first and reads then is not reset before it reads.
func (x *exchange) leaveUnread() {
	x.w.Header()["Connection"] = []string{"close"}
	// A deadline of a connection is by the machine's clock. Not every writer has one.
	_ = http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(unreadTimeout))
}

// roundedUp returns a positive duration in whole units, so that no client comes back too early.
func roundedUp(d, unit time.Duration) string {
	return strconv.FormatInt(int64((d+unit-1)/unit), 10)
}
