package awshttp

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Refusals of a body.
var (
	errTooLarge = &api.Error{Type: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge,
		Message: "the body of the request is longer than this server accepts"}
	errEncoding = &api.Error{Type: "UnsupportedMediaTypeException", Status: http.StatusUnsupportedMediaType,
		Message: "the body has a Content-Encoding; send it as it is (identity)"}
	errBody = api.BadRequestException.Errorf("the body of the request did not arrive whole")
	errForm = api.ValidationError.Errorf("the form in the body of the request cannot be read")
)

// screen refuses a request before its body is read, and decides how long a body it may have and out
// of which share. A form has to be read before it is known whether its operation needs a signature:
// the gate's refusal of it is kept until then.
func (t *transport) screen(x *exchange) error {
	if !identityEncoding(x.r.Header) {
		return errEncoding
	}
	if err := refuseDoubled(x.r.Header); err != nil {
		return err
	}

	// Targets name an operation that needs no signature in a header, so they skip the gate here.
	x.limit = MaxRESTBody
	switch x.fallback.Protocol {
	case api.JSON:
		if t.open[x.action()] != nil {
			x.limit, x.loan.open = MaxOpenBody, true
			return nil
		}
	case api.Query:
		x.limit = MaxFormBody
	}

	if x.r.ContentLength == 0 || x.fallback.Protocol != api.Query && hasArrived(x.r.Body) {
		return nil // the gate decides at once
	}
	t.sign(x)

	err := t.options.Gate.Screen(x.r.Context(), &x.signed)
	if refused, ok := errors.AsType[*sigv4.Error](err); ok && x.fallback.Protocol == api.Query {
		x.limit, x.loan.open, x.refused = MaxOpenBody, true, refused
		return nil
	}
	return err
}

// hasArrived reports whether a body is known to have arrived whole, so that it is read without a wait.
func hasArrived(body io.ReadCloser) bool {
	b, known := body.(interface{ HasArrived() bool })
	return known && b.HasArrived()
}

// read takes in what the gate needs to see: body, query and form.
func (t *transport) read(x *exchange) (err error) {
	if err = t.readBody(x); err != nil {
		return err
	}
	x.input.Body = x.buf
	x.input.Query, x.queryErr = parseQuery(x.r.URL.RawQuery)
	if x.fallback.Protocol == api.Query {
		x.input.Form, x.formErr = parseForm(x.buf)
		x.fallback = t.unknown.ofVersion(x.input.Form.Get("Version"))
	}
	return nil
}

// parseForm reads a form; what can be read of it is there beside an error. No
// field may come twice.
func parseForm(body []byte) (url.Values, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return form, errForm
	}
	twice := ""
	for name, values := range form {
		if len(values) > 1 && (twice == "" || name < twice) {
			twice = name
		}
	}
	if twice != "" {
		return form, api.ValidationError.Errorf("the field %s of the form is given twice", quote(twice))
	}
	return form, nil
}

// refuseDoubled refuses a second value of the headers that choose protocol and
// operation.
func refuseDoubled(h http.Header) error {
	for _, name := range [...]string{"Content-Type", "X-Amz-Target"} {
		if len(h[name]) > 1 {
			return api.BadRequest("", "the header %s is given twice", name)
		}
	}
	return nil
}

// identityEncoding refuses gzip and aws-chunked alike: no client of these APIs
// uses them, and a signature over a decoded body would not be one over what
// was sent.
func identityEncoding(h http.Header) bool {
	for _, list := range h["Content-Encoding"] {
		for coding := range strings.SplitSeq(list, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return false
			}
		}
	}
	return true
}

// firstRead is how much space a body gets before any of it has arrived, in
// bytes: a length that is only announced costs no memory.
const firstRead = 4 << 10

// readBody reads the body into x.buf, up to the limit. Each piece of space is taken from the budget
// before it is filled.
func (t *transport) readBody(x *exchange) error {
	x.buf = x.buf[:0]
	if x.r.ContentLength > x.limit {
		return errTooLarge
	}
	if x.r.ContentLength == 0 {
		return nil
	}

	// One byte more than the limit shows that a body without a length is too long.
	for room := 0; ; {
		if len(x.buf) == room {
			more := min(max(firstRead, room/2), int(x.limit)+1-room)
			if err := t.options.Bodies.take(&x.loan, int64(more)); err != nil {
				return err
			}
			room += more
			x.buf = slices.Grow(x.buf, more)
		}

		n, err := x.r.Body.Read(x.buf[len(x.buf):room])
		x.buf = x.buf[:len(x.buf)+n]

		switch {
		case int64(len(x.buf)) > x.limit:
			return errTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return readError(x.r, err)
		}
	}
}

func readError(r *http.Request, err error) error {
	if cause := r.Context().Err(); cause != nil {
		return cause
	}
	return errBody
}
