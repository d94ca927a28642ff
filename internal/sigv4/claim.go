package sigv4

import (
	"net/http"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeLayout = "20060102T150405Z"
	dayLayout  = "20060102"

	maxExpires   = 7 * 24 * 60 * 60 // seconds, X-Amz-Expires as the format has it; see Options.MaxPresign
	maxAccessKey = 128              // bytes, as in IAM
)

// claim is what a request says about its own signature, before any of it is
// believed.
type claim struct {
	presigned     bool
	accessKeyID   string
	day           string // of the credential scope, yyyymmdd
	scope         Scope
	signedHeaders string // as sent, "a;b;c"
	signature     string
	date          string // as it enters the string to sign
	signedAt      time.Time
	expires       time.Duration // presigned only
	token         string        // session token, or empty
}

// readClaim finds the one signature of a request.
func readClaim(r *Request, q *query) (c claim, err error) {
	header, inQuery := r.Header["Authorization"], q.signed()

	switch {
	case len(header) == 0 && !inQuery:
		return c, missing()
	case len(header) > 0 && inQuery:
		return c, incomplete(StepForm, "the request is signed both in the Authorization header and in the query: send one of them")
	case inQuery && r.HeaderOnly:
		return c, invalid(StepForm, "this server takes a presigned URL for /connect alone: sign in the Authorization header, or set presigned-rest")
	case len(header) > 1:
		return c, incomplete(StepForm, "the request has more than one Authorization header")
	case inQuery:
		err = c.fromQuery(q, r.Header)
	default:
		err = c.fromHeader(r.Header, header[0])
	}

	if err == nil && len(c.signature) != 64 {
		err = incomplete(StepForm, "the signature has %d characters; it must be 64 lower-case hexadecimal digits", len(c.signature))
	}
	return c, err
}

func (c *claim) fromHeader(h http.Header, authorization string) error {
	if len(authorization) > maxAuthorization {
		return incomplete(StepForm, "the Authorization header is longer than %d bytes", maxAuthorization)
	}
	credential, err := c.parseAuthorization(authorization)
	if err != nil {
		return err
	}
	if err := c.parseCredential("Credential", credential); err != nil {
		return err
	}
	if token := h["X-Amz-Security-Token"]; len(token) > 0 {
		c.token = token[0]
	}
	return c.readDate(h)
}

// parseAuthorization reads the three parts in any order, separated by commas
// with or without spaces, and returns the credential.
func (c *claim) parseAuthorization(h string) (credential string, err error) {
	rest, ok := strings.CutPrefix(h, algorithm)
	if !ok || !strings.HasPrefix(rest, " ") {
		return "", incomplete(StepForm, "the Authorization header must begin with %q and a space", algorithm)
	}

	// Exchanging the values leaves in value what the part had before: not empty if it comes twice.
	for more := true; more; {
		var part string
		part, rest, more = strings.Cut(rest, ",")
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			credential, value = value, credential
		case "SignedHeaders":
			c.signedHeaders, value = value, c.signedHeaders
		case "Signature":
			c.signature, value = value, c.signature
		default:
			return "", incomplete(StepForm, "the Authorization header has a part that is not Credential, SignedHeaders or Signature")
		}
		if value != "" { // the one before
			return "", incomplete(StepForm, "the Authorization header gives %s twice", name)
		}
	}

	switch {
	case credential == "":
		return "", incomplete(StepForm, "the Authorization header has no Credential")
	case c.signedHeaders == "":
		return "", incomplete(StepForm, "the Authorization header has no SignedHeaders")
	case c.signature == "":
		return "", incomplete(StepForm, "the Authorization header has no Signature")
	}
	return credential, nil
}

// readDate takes X-Amz-Date or, where that is absent, Date.
func (c *claim) readDate(h http.Header) error {
	if dates := h["X-Amz-Date"]; len(dates) > 0 {
		return c.parseDate(dates[0])
	}
	dates := h["Date"]
	if len(dates) != 1 {
		return incomplete(StepForm, "the request has no X-Amz-Date header")
	}
	if !contains(c.signedHeaders, "date") {
		return incomplete(StepForm, "the request has no X-Amz-Date header, and its Date header is not signed")
	}
	at, err := http.ParseTime(dates[0])
	if err != nil {
		return c.parseDate(dates[0])
	}
	c.signedAt = at.UTC()
	c.date = c.signedAt.Format(timeLayout)
	return nil
}

func (c *claim) parseDate(date string) error {
	at, err := time.Parse(timeLayout, date)
	if err != nil || len(date) != len(timeLayout) {
		return incomplete(StepForm, "the date of signing %s is not of the form yyyymmddThhmmssZ", quote(date))
	}
	c.date, c.signedAt = date, at
	return nil
}

// fromQuery reads the claim of a presigned URL.
func (c *claim) fromQuery(q *query, h http.Header) error {
	c.presigned = true
	names := [...]string{paramAlgorithm, paramCredential, paramDate, paramExpires, paramSignedHeaders, paramSignature}
	var values [len(names)]string
	for i, name := range names {
		if values[i], _ = q.get(name); values[i] == "" {
			return incomplete(StepForm, "the query of the presigned URL has no %s", name)
		}
	}

	credential, date, expires := values[1], values[2], values[3]
	c.signedHeaders, c.signature = values[4], values[5]
	if values[0] != algorithm {
		return incomplete(StepForm, "%s is %s; it must be %q", paramAlgorithm, quote(values[0]), algorithm)
	}

	var ok bool
	if c.expires, ok = parseExpires(expires); !ok {
		return incomplete(StepForm, "%s is %s; it must be a number of seconds from 1 to %d", paramExpires, quote(expires), maxExpires)
	}
	if err := c.parseCredential(paramCredential, credential); err != nil {
		return err
	}

	// Clients may carry the session token in a header instead, as long as it is not in both.
	c.token, ok = q.get(paramToken)
	if header := h["X-Amz-Security-Token"]; len(header) > 0 {
		if ok {
			return incomplete(StepForm, "the session token is both in the query and in a header: send one of them")
		}
		c.token = header[0]
	}
	return c.parseDate(date)
}

func parseExpires(s string) (time.Duration, bool) {
	seconds := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' || seconds > maxExpires {
			return 0, false
		}
		seconds = seconds*10 + int(s[i]-'0')
	}
	return time.Duration(seconds) * time.Second, seconds >= 1 && seconds <= maxExpires
}

// parseCredential reads "key/yyyymmdd/region/service/aws4_request".
func (c *claim) parseCredential(name, credential string) error {
	var parts [5]string

	rest := credential
	for i := range parts {
		var more bool
		parts[i], rest, more = strings.Cut(rest, "/")
		if more != (i < len(parts)-1) || parts[i] == "" {
			return incomplete(StepForm, "%s must be key/yyyymmdd/region/service/%s", name, terminator)
		}
	}
	if parts[4] != terminator {
		return incomplete(StepForm, "%s must end with /%s; it ends with %s", name, terminator, quote(parts[4]))
	}
	if !validAccessKey(parts[0]) {
		return incomplete(StepForm, "the access key in %s must be 1 to %d printable ASCII characters", name, maxAccessKey)
	}

	c.accessKeyID, c.day, c.scope = parts[0], parts[1], Scope{Region: parts[2], Service: parts[3]}
	return nil
}

func validAccessKey(id string) bool {
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return false
		}
	}
	return len(id) <= maxAccessKey
}

// AccessKeyID is the access key that a request says it is signed with, for records of refused requests.
// It is empty when the request is not signed in one of the forms. Before the key was found to exist it
// may be anything, such as a secret in the wrong place.
func (r *Request) AccessKeyID() string {
	_, rawQuery, _ := strings.Cut(r.Target, "?")
	var q query
	if q.parse(rawQuery) != nil {
		return ""
	}
	c, err := readClaim(r, &q)
	if err != nil {
		return ""
	}
	return c.accessKeyID
}
