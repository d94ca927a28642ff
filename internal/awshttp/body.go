package awshttp

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
)

// Refusals of a body. All but that of a form come before the signature, which
// needs the body.
var (
	errTooLarge = &api.Error{Type: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge,
		Message: "the body of the request is longer than this server accepts"}
	errEncoding = &api.Error{Type: "UnsupportedMediaTypeException", Status: http.StatusUnsupportedMediaType,
		Message: "the body has a Content-Encoding; send it as it is (identity)"}
	errBody = api.BadRequestException.Errorf("the body of the request did not arrive whole")
	errForm = api.ValidationError.Errorf("the form in the body of the request cannot be read")
)

// read takes in what the gate needs to see: body, query and form.
func (t *transport) read(x *exchange) (err error) {
	if !identityEncoding(x.r.Header) {
		return errEncoding
	}
	if x.buf, err = readBody(x.buf[:0], x.r, t.options.MaxBody); err != nil {
		return err
	}
	x.input.Body = x.buf
	x.input.Query, x.queryErr = parseQuery(x.r.URL.RawQuery)
	if x.stranger.Protocol == api.Query {
		if x.input.Form, err = url.ParseQuery(string(x.buf)); err != nil {
			x.formErr = errForm
		}
		x.stranger = t.unknown.ofVersion(x.input.Form.Get("Version"))
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

// firstRead is how much room a body gets before any of it has arrived, in
// bytes: a length that is only announced costs no memory.
const firstRead = 4 << 10

// readBody appends the body to buf, up to limit bytes.
func readBody(buf []byte, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return buf, errTooLarge
	}
	if r.ContentLength == 0 {
		return buf, nil
	}
	for {
		buf = slices.Grow(buf, max(firstRead, len(buf)/2))
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return buf, errTooLarge
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return buf, readError(r, err)
		}
	}
}

func readError(r *http.Request, err error) error {
	if cause := r.Context().Err(); cause != nil {
		return cause
	}
	return errBody
}
