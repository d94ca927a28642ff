package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials are an access key, with the session token when it is a
// temporary one. They print without their secrets.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // empty for a long-term key
}

// String names the access key only.
func (c Credentials) String() string { return "access key " + c.AccessKeyID }

// GoString names the access key only.
func (c Credentials) GoString() string { return "sigv4.Credentials{" + c.AccessKeyID + "}" }

// Signer signs requests as the AWS SDKs sign them for this service: path
// escaped twice, query strictly escaped, the session token inside the
// signature.
type Signer struct {
	Credentials Credentials
	Scope       Scope
}

// Sign signs an outgoing request in its Authorization header, for the time at.
// It sets X-Amz-Date and, with a temporary key, X-Amz-Security-Token. Signed
// are host, content-type and every x-amz-* header; to change one of them, the
// target or the body afterwards breaks the signature. A "+" in the query,
// which url.Values writes for a space, becomes "%20". It fails on a request
// that no verifier accepts.
func (s Signer) Sign(req *http.Request, bodyHash [sha256.Size]byte, at time.Time) error {
	if req.Header == nil {
		req.Header = make(http.Header)
	}

	c := s.claim(at)
	req.Header.Set("X-Amz-Date", c.date)
	req.Header.Del("Authorization")
	if c.token != "" {
		req.Header.Set("X-Amz-Security-Token", c.token)
	}

	signature, err := s.signature(req, &c, bodyHash)
	if err != nil {
		return fmt.Errorf("sigv4: sign: %w", err)
	}
	req.Header.Set("Authorization", algorithm+" Credential="+s.credential(&c)+
		", SignedHeaders="+c.signedHeaders+", Signature="+signature)
	return nil
}

// Presign signs an outgoing request in its query, which it leaves sorted and
// strictly escaped with X-Amz-Signature last. The URL is good from at until
// expires later, 1 s to 7 days. A presigned URL of the messaging socket has an
// empty body and signs nothing but host; x-amz-* headers and content-type that
// req has are signed as well and must be sent with it.
func (s Signer) Presign(req *http.Request, bodyHash [sha256.Size]byte, at time.Time, expires time.Duration) error {
	seconds := int64(expires / time.Second)
	if seconds < 1 || seconds > maxExpires {
		return fmt.Errorf("sigv4: a presigned URL lives from 1 to %d seconds, not %s", maxExpires, expires)
	}

	// Every parameter but the signature is signed, so they are added before it is computed.
	c := s.claim(at)
	c.presigned = true
	c.signedHeaders = strings.Join(signedNames(req.Header), ";")
	added := [][2]string{
		{paramAlgorithm, algorithm},
		{paramCredential, s.credential(&c)},
		{paramDate, c.date},
		{paramExpires, strconv.FormatInt(seconds, 10)},
		{paramSignedHeaders, c.signedHeaders},
	}
	if c.token != "" {
		added = append(added, [2]string{paramToken, c.token})
	}

	raw := []byte(req.URL.RawQuery)
	for _, p := range added {
		if len(raw) > 0 {
			raw = append(raw, '&')
		}
		raw = append(append(raw, p[0]...), '=')
		raw = appendEscaped(raw, p[1])
	}
	req.URL.RawQuery = string(raw)

	signature, err := s.signature(req, &c, bodyHash)
	if err != nil {
		return fmt.Errorf("sigv4: presign: %w", err)
	}
	var q query
	if err := q.parse(req.URL.RawQuery); err != nil {
		return fmt.Errorf("sigv4: presign: %w", err)
	}
	req.URL.RawQuery = string(q.appendStrict(nil, "")) + "&" + paramSignature + "=" + signature
	return nil
}

func (s Signer) claim(at time.Time) claim {
	at = at.UTC()
	return claim{
		accessKeyID: s.Credentials.AccessKeyID, token: s.Credentials.SessionToken, scope: s.Scope,
		day: at.Format(dayLayout), date: at.Format(timeLayout), signedAt: at,
	}
}

func (s Signer) credential(c *claim) string {
	return s.Credentials.AccessKeyID + "/" + string(appendScope(nil, c.day, c.scope))
}

// signature computes the signature of a request that has everything else.
func (s Signer) signature(req *http.Request, c *claim, bodyHash [sha256.Size]byte) (string, error) {
	if s.Credentials.AccessKeyID == "" || s.Credentials.SecretAccessKey == "" {
		return "", errors.New("credentials lack the access key or its secret")
	}
	if s.Scope.Region == "" || s.Scope.Service == "" {
		return "", errors.New("the scope lacks the region or the service")
	}

	// A client may hand over a request without method or Host, which net/http fills in when it sends.
	req.URL.RawQuery = strings.ReplaceAll(req.URL.RawQuery, "+", "%20")
	r := Request{
		Method: req.Method, Target: req.URL.RequestURI(), Host: req.Host, Header: req.Header,
		ContentLength: req.ContentLength, BodyHash: bodyHash,
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Host == "" {
		r.Host = req.URL.Host
	}

	var work scratch
	path, raw, err := splitTarget(&r)
	if err != nil {
		return "", err
	}

	// The same parsers as the verifier's, so that nothing is signed that it would refuse.
	work.path = path
	if err := work.query.parse(raw); err != nil {
		return "", err
	}
	if work.query.signed() != c.presigned || c.presigned && req.Header.Get("Authorization") != "" {
		return "", errors.New("the request is signed already in the other way")
	}

	names := signedNames(req.Header)
	c.signedHeaders = strings.Join(names, ";")
	if err := checkHeaders(req.Header, names, false); err != nil {
		return "", err
	}
	if work.headers, _, err = appendHeaders(nil, nil, &r, r.Host, names); err != nil {
		return "", err
	}
	if err := work.checkBody(&r); err != nil {
		return "", err
	}

	key := deriveKey(s.Credentials.SecretAccessKey, c.day, c.scope)
	mac := key.mac(work.build(&r, c, variant{}))
	return hex.EncodeToString(mac[:]), nil
}

// signedNames are the headers that a signature covers: those that act on the
// request and that no proxy changes.
func signedNames(h http.Header) []string {
	names := []string{"host"}
	for name := range h {
		if lower := strings.ToLower(name); hasAmzPrefix(name) || lower == "content-type" {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	return names
}
