package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Limits on what is read before anything is believed. net/http bounds the
// whole head; these keep one request's work small.
const (
	maxTarget        = 16 << 10 // bytes of path and query
	maxAuthorization = 8 << 10  // bytes
	maxParams        = 100      // query parameters
	maxSigned        = 100      // names in SignedHeaders
	maxHeaders       = 200      // header lines
	maxHeaderBytes   = 64 << 10 // bytes of all header values
)

// amzPrefix begins the headers that must be signed when they are present.
const amzPrefix = "x-amz-"

// mayBeUnsigned are x-amz-* headers that this server never reads and that
// something between client and server adds: CloudFront's request id. No client
// of the service leaves one of its own unsigned.
var mayBeUnsigned = [...]string{"x-amz-cf-id"}

// signedList splits SignedHeaders. Strict ascending order makes each name
// unique and the spelling of the list the only one.
func signedList(into []string, list string) ([]string, error) {
	for more := true; more; {
		var name string
		name, list, more = strings.Cut(list, ";")
		if len(into) == maxSigned {
			return into, incomplete(StepHeaders, "SignedHeaders has more than %d names", maxSigned)
		}
		if !validName(name) {
			return into, incomplete(StepHeaders, "SignedHeaders has %s; names are lower-case and separated by semicolons", quote(name))
		}
		if n := len(into); n > 0 && into[n-1] >= name {
			return into, incomplete(StepHeaders, "SignedHeaders must be sorted and without repeats: %s comes after %s", quote(name), quote(into[n-1]))
		}
		into = append(into, name)
	}
	if !slices.Contains(into, "host") {
		return into, incomplete(StepHeaders, "SignedHeaders must have host")
	}
	return into, nil
}

// validName accepts a lower-case header name (RFC 9110 token).
func validName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("-_.!#$%&'*+^`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}

// contains reports whether a list "a;b;c" has a name.
func contains(list, name string) bool {
	for more := true; more; {
		var one string
		if one, list, more = strings.Cut(list, ";"); one == name {
			return true
		}
	}
	return false
}

// checkHeaders refuses headers that are too many, and x-amz-* headers that are
// unsigned or repeated.
func checkHeaders(h http.Header, signed []string, unsignedToken bool) error {
	lines, size := 0, 0
	for name, values := range h {
		lines += len(values)
		for _, value := range values {
			size += len(value)
		}
		if lines > maxHeaders || size > maxHeaderBytes {
			return incomplete(StepHeaders, "the request has more than %d header lines or %d bytes in them", maxHeaders, maxHeaderBytes)
		}
		if !hasAmzPrefix(name) || isOneOf(mayBeUnsigned[:], name) {
			continue
		}
		if len(values) > 1 {
			return incomplete(StepHeaders, "the header %s is given %d times", quote(name), len(values))
		}
		if !isOneOf(signed, name) && !(unsignedToken && name == "X-Amz-Security-Token") {
			return invalid(StepHeaders, "the header %s is present and must be in SignedHeaders", quote(name))
		}
	}
	return nil
}

// hasAmzPrefix accepts any case.
func hasAmzPrefix[S ~string | ~[]byte](name S) bool {
	if len(name) < len(amzPrefix) {
		return false
	}
	for i := range len(amzPrefix) {
		if c := name[i]; c != amzPrefix[i] && (c < 'A' || c > 'Z' || c+'a'-'A' != amzPrefix[i]) {
			return false
		}
	}
	return true
}

func isOneOf(names []string, name string) bool {
	for _, one := range names {
		if len(one) == len(name) && strings.EqualFold(one, name) {
			return true
		}
	}
	return false
}

// appendHeaders appends the canonical headers, one line for each signed name,
// with the given host. spelling is a buffer for the form in which http.Header keeps a name.
func appendHeaders(b, spelling []byte, r *Request, host string, signed []string) ([]byte, []byte, error) {
	for _, name := range signed {
		b = append(b, name...)
		b = append(b, ':')
		var err error
		switch {
		case name == "host":
			b, err = appendHost(b, host)
		case name == "content-length" && r.ContentLength >= 0:
			b = strconv.AppendInt(b, r.ContentLength, 10)
		default:
			spelling = appendSpelling(spelling[:0], name)
			b, err = appendValues(b, name, r.Header[string(spelling)])
		}
		if err != nil {
			return b, spelling, err
		}
		b = append(b, '\n')
	}
	return b, spelling, nil
}

// appendHost appends the Host header as it is.
func appendHost(b []byte, host string) ([]byte, error) {
	if host == "" {
		return b, incomplete(StepHeaders, "the request has no Host header")
	}
	for i := 0; i < len(host); i++ {
		c := host[i]
		if c <= ' ' || c == 0x7f {
			return b, incomplete(StepHeaders, "the Host header %s has a space or control character", quote(host))
		}
		b = append(b, c)
	}
	return b, nil
}

// appendSpelling appends the canonical MIME form of a lower-case name.
func appendSpelling(b []byte, name string) []byte {
	upper := true
	for i := 0; i < len(name); i++ {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper = c == '-'
		b = append(b, c)
	}
	return b
}

// appendValues appends the values of a header, trimmed, with inner runs of
// blanks folded to one space, joined by commas in their order.
func appendValues(b []byte, name string, values []string) ([]byte, error) {
	if len(values) == 0 {
		return b, invalid(StepHeaders, "the header %s is in SignedHeaders and is not in the request", quote(name))
	}
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = appendFolded(b, value); !ok {
			return b, incomplete(StepHeaders, "the header %s has a control character", quote(name))
		}
	}
	return b, nil
}

func appendFolded(b []byte, value string) ([]byte, bool) {
	for i, first := 0, true; ; first = false {
		for i < len(value) && (value[i] == ' ' || value[i] == '\t') {
			i++
		}
		if i == len(value) {
			return b, true
		}
		start := i
		for i < len(value) && value[i] > ' ' && value[i] != 0x7f {
			i++
		}
		if i < len(value) && value[i] != ' ' && value[i] != '\t' {
			return b, false
		}
		if !first {
			b = append(b, ' ')
		}
		b = append(b, value[start:i]...)
	}
}
