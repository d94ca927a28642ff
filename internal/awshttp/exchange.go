package awshttp

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// exchange is one request and its answer.
type exchange struct {
	w     http.ResponseWriter
	r     *http.Request
	start time.Time
	id    string // request id

	limit   int64         // of the body, in bytes
	loan    loan          // what the body holds of the budget
	unread  bool          // the answer leaves a part of the body unread
	signed  sigv4.Request // for the gate
	refused *sigv4.Error  // the gate's refusal of a form, which counts unless its operation is open

	input    api.Input
	queryErr error // of a query that cannot be read; the gate speaks first
	formErr  error // of a form that cannot be read

	route  *route                   // of a REST request
	labels []string                 // of its path, as route names them
	byName func(name string) string // label

	fallback  *api.Operation // stands for op until that is known
	op        *api.Operation
	principal *access.Principal // nil when the operation is open
	request   api.Request       // nil until it is read
	response  api.Response      // nil unless the operation succeeded
	allowed   bool              // IAM lets the principal make the call
	errorType string            // of the answer, if that is an error
	message   string            // of the same
	step      string            // that refused the caller: of the verification, or IAM
	failure   error             // what a 5xx answer does not reveal to the client
	bytes     int               // of the answer's body that were sent
	buf       []byte            // the body of the request, then of the answer
}

// maxKept bounds the buffers that stay in the pool, in bytes each.
const maxKept = 64 << 10

var exchanges = sync.Pool{New: func() any {
	x := new(exchange)
	x.byName = x.label
	return x
}}

func (t *transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions { // a preflight that CORS does not know as one
		w.WriteHeader(http.StatusNoContent)
		return
	}
	x := exchanges.Get().(*exchange)
	x.w, x.r, x.start = w, r, t.options.Now()
	defer t.release(x)
	t.serve(x)
}

// release forgets the request.
func (t *transport) release(x *exchange) {
	t.options.Bodies.giveBack(&x.loan)
	buf := x.buf[:0]
	if cap(buf) > maxKept {
		buf = nil
	}
	clear(x.labels)
	*x = exchange{buf: buf, labels: x.labels[:0], byName: x.byName}
	exchanges.Put(x)
}

// serve answers a request, whatever happens to it.
func (t *transport) serve(x *exchange) {
	x.fallback = t.unknown.of(x.r)
	var err error

	// Each step runs when those before it have succeeded; the first error is the answer.
	if x.id, err = chime.NewUUID(t.options.Random); err == nil {
		err = t.screen(x)
	}
	if err == nil {
		err = t.read(x)
	}

	x.unread = err != nil && x.r.ContentLength != 0
	if err == nil {
		err = t.run(x)
	}

	if err != nil && x.r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		t.observe(x, statusClientLeft)
		panic(http.ErrAbortHandler) // not even an empty answer, which would be a 200
	}

	t.observe(x, t.answer(x, err))
}

// statusClientLeft is observed, never sent.
const statusClientLeft = 499

// run takes a request whose body is read through all checks to its service and
// leaves the body of the answer in x.buf. A panic on the way becomes an error:
// nothing has been written yet.
func (t *transport) run(x *exchange) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()

	// The gate first: nothing of a request is interpreted before its signature is good.
	if err := t.admit(x); err != nil {
		return err
	}

	// The request, in the form of today's API.
	x.input.Path, x.input.Header = x.byName, x.r.Header
	legacy := isLegacy(x.op, x.input.Body)
	if legacy {
		x.input.Body = present(x.input.Body)
	}
	req, err := x.op.Decode(&x.input)
	if err != nil {
		return err
	}
	x.request = req

	// What the caller may do, and how fast.
	ctx, from := x.r.Context(), t.source(x.r)
	if x.principal != nil {
		if err := t.options.Gate.Authorize(ctx, x.principal, x.op, req, from); err != nil {
			return err
		}
	}
	x.allowed = true
	if err := t.options.Limiter.Admit(ctx, x.op, req); err != nil {
		return err
	}
	if x.op.SigningName != "chime" { // those go on without the cost of a context
		ctx = access.WithCaller(ctx, x.principal, from)
	}

	if err := t.pages.open(x.op, req); err != nil {
		return err
	}

	// Page tokens are the store's inside the service and sealed outside.
	resp, err := x.op.Call(ctx, req)
	if err == nil {
		err = t.pages.seal(x.op, resp)
	}
	if err != nil {
		t.reportUndeclared(x, err)
		return err
	}

	x.response = resp
	x.buf = x.buf[:0]
	if x.op.Status != http.StatusNoContent {
		x.buf = x.op.AppendResponse(x.buf, resp, x.id)
	}
	if legacy {
		x.buf = former(x.buf)
	}
	return nil
}

// admit finds the operation of a request: one that is open, or else, only
// behind the gate, one of the guarded routes.
func (t *transport) admit(x *exchange) (err error) {
	if x.op = t.open[x.action()]; x.op != nil {
		return x.formErr
	}
	if x.refused != nil {
		return x.refused
	}

	t.sign(x)
	x.signed.BodyHash = sha256.Sum256(x.input.Body)
	var service string
	if x.principal, service, err = t.options.Gate.Verify(x.r.Context(), &x.signed); err != nil {
		return err
	}

	// Faults of the query are reported only to callers with a good signature.
	if x.queryErr != nil {
		return x.queryErr
	}
	if x.op, err = t.guarded.find(x); err != nil {
		return err
	}

	if service != x.op.SigningName {
		return &sigv4.Error{Code: sigv4.CodeInvalid, Status: http.StatusForbidden, Step: sigv4.StepScope,
			Message: "the credential scope names the service " + quote(service) + "; " + x.op.Name + " is signed for " + quote(x.op.SigningName)}
	}
	return nil
}

// sign describes the request for the gate, without the hash of its body.
func (t *transport) sign(x *exchange) {
	x.signed = sigv4.FromHTTP(x.r, [sha256.Size]byte{})
	x.signed.Target = originForm(x.signed.Target)
	x.signed.Secure, x.signed.HeaderOnly = t.options.Secure(x.r), !t.options.Presigned
}

// source describes for conditions where a request came from.
func (t *transport) source(r *http.Request) access.Source {
	from := access.Source{Remote: r.RemoteAddr, Secure: t.options.Secure(r)}
	if agent := r.Header["User-Agent"]; len(agent) > 0 {
		from.UserAgent = agent[0]
	}
	return from
}

// originForm returns path and query of a request target. A client that takes the
// server for a proxy sends a whole URL.
func originForm(target string) string {
	_, rest, absolute := strings.Cut(target, "://")
	if !absolute || target[0] == '/' {
		return target
	}

	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	}
	return rest[i:]
}

// operation is what is known of the request's operation.
func (x *exchange) operation() *api.Operation {
	if x.op != nil {
		return x.op
	}
	return x.fallback
}

// label is a decoded variable segment of the path, by its name.
func (x *exchange) label(name string) string {
	if x.route != nil {
		for i, label := range x.route.labels {
			if label == name {
				return x.labels[i]
			}
		}
	}
	return ""
}

// action returns the operation that a request to / names.
func (x *exchange) action() action {
	switch x.fallback.Protocol {
	case api.JSON:
		return action{target: x.r.Header["X-Amz-Target"][0]}
	case api.Query:
		return action{version: x.input.Form.Get("Version"), name: x.input.Form.Get("Action")}
	}
	return action{}
}

// parseQuery reads a query as it was signed: a plus is a plus. No operation has
// a parameter that may come twice, and another reader might believe the first of
// two.
func parseQuery(raw string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	values := make(url.Values)

	for more := true; more; {
		var pair string
		pair, raw, more = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")

		name, err := url.PathUnescape(name)
		if err != nil {
			return nil, api.BadRequest("", "the name of a query parameter has a percent sign that begins no escape")
		}
		if value, err = url.PathUnescape(value); err != nil {
			return nil, api.BadRequest(name, "the query parameter %s has a percent sign that begins no escape", quote(name))
		}
		if values.Has(name) {
			return nil, api.BadRequest(name, "the query parameter %s is given twice", quote(name))
		}

		values[name] = []string{value}
	}
	return values, nil
}
