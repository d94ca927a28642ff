package sigv4

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Defaults of Options.
const (
	DefaultSkew       = 15 * time.Minute
	DefaultGrace      = time.Minute
	DefaultMaxPresign = 15 * time.Minute
	DefaultKeyCache   = 8192
)

// Scope is the region and service that a signature is for.
type Scope struct {
	Region  string // "us-east-1"
	Service string // signing name, "chime"
}

// Scopes gives one scope for each service in one region.
func Scopes(region string, services ...string) []Scope {
	scopes := make([]Scope, len(services))
	for i, service := range services {
		scopes[i] = Scope{Region: region, Service: service}
	}
	return scopes
}

// Request is what is verified, as it came over the wire.
type Request struct {
	Method string
	Target string // raw request target: path, and "?" with the query
	Host   string // Host header as sent
	// Header holds the other headers under their canonical MIME names.
	Header http.Header
	// ContentLength is the length of the body in bytes, -1 when the request
	// did not give it. Where content-length is signed, this is the value.
	ContentLength int64
	// BodyHash is the SHA-256 of the body received, also of an empty one.
	BodyHash [sha256.Size]byte
	// Secure says that the request came over TLS, so that 443 is the port that
	// a Host may leave out.
	Secure bool
	// HeaderOnly refuses a presigned URL here.
	HeaderOnly bool
}

// FromHTTP describes a request that net/http's server received. Secure is set
// by the caller where net/http does not know of the TLS connection.
func FromHTTP(r *http.Request, bodyHash [sha256.Size]byte) Request {
	return Request{
		Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header,
		ContentLength: r.ContentLength, BodyHash: bodyHash, Secure: r.TLS != nil,
	}
}

// Keys looks up the secrets of access keys.
type Keys interface {
	// SecretKey returns the secret of an access key, and its holder in a form
	// that Verify hands back untouched. sessionToken is empty for a long-term
	// key. It returns ErrUnknownKey, ErrInvalidToken or ErrExpiredToken (also
	// wrapped) to refuse; any other error is a failure of the server. The
	// token is not verified yet when SecretKey sees it.
	SecretKey(ctx context.Context, accessKeyID, sessionToken string) (secret string, principal any, err error)
}

// Result is what a verified signature says. Its strings may share memory with
// the request.
type Result struct {
	AccessKeyID  string
	SessionToken string // empty for a long-term key
	Scope        Scope  // one of the verifier's; the router compares the service with the operation's
	Presigned    bool
	SignedAt     time.Time // UTC
	Principal    any       // from Keys
}

// Options of a Verifier.
type Options struct {
	// Scopes that are accepted, at least one.
	Scopes []Scope
	// Now is the clock. Required.
	Now func() time.Time
	// Skew is how far the clock of a client may be from the server's. Zero
	// means DefaultSkew, negative none.
	Skew time.Duration
	// Grace is how long after its end a presigned URL still opens: JavaScript
	// clients sign for 10 s by their own clock. Zero means DefaultGrace,
	// negative none.
	Grace time.Duration
	// MaxPresign is how long after its date a presigned URL opens at most,
	// without Grace, whatever X-Amz-Expires says: the format allows a week, and
	// a URL lies about in logs. Zero means DefaultMaxPresign.
	MaxPresign time.Duration
	// KeyCache is how many derived signing keys are kept at most, about 130
	// bytes each. Zero means DefaultKeyCache.
	KeyCache int
	// PublicHosts are names of this server, host or host:port, that clients may
	// have signed when a proxy passes another Host on.
	PublicHosts []string
	// Explain adds to the refusal of a wrong signature what the server
	// computed, for authors of signers.
	Explain bool

	// unsignedToken accepts a session token outside the signature, as one of
	// the published vectors has it. No client of this service does that.
	unsignedToken bool
}

// Verifier verifies requests. It is safe for concurrent use.
type Verifier struct {
	options Options
	cache   *keyCache
	scratch sync.Pool // of *scratch
}

// New returns a verifier, or an error that names what the options lack.
func New(o Options) (*Verifier, error) {
	if len(o.Scopes) == 0 {
		return nil, errors.New("sigv4: options have no scopes")
	}
	for _, s := range o.Scopes {
		if s.Region == "" || s.Service == "" {
			return nil, fmt.Errorf("sigv4: scope %q lacks a region or a service", s.Region+"/"+s.Service)
		}
	}

	if o.Now == nil {
		return nil, errors.New("sigv4: options have no clock")
	}
	o.Skew = orDefault(o.Skew, DefaultSkew)
	o.Grace = orDefault(o.Grace, DefaultGrace)
	if o.MaxPresign <= 0 {
		o.MaxPresign = DefaultMaxPresign
	}
	if o.KeyCache <= 0 {
		o.KeyCache = DefaultKeyCache
	}

	return &Verifier{
		options: o,
		cache:   newKeyCache(o.KeyCache),
		scratch: sync.Pool{New: func() any { return new(scratch) }},
	}, nil
}

func orDefault(d, standard time.Duration) time.Duration {
	if d == 0 {
		return standard
	}
	return max(d, 0)
}

// Screen makes every check of Verify that needs neither the body nor the
// secret: form, scope, clock, what is signed, and with keys, the access key
// and session token. What it accepts may still be refused by Verify; what it
// refuses, Verify refuses. It lets a server refuse a request before it reads
// the body. Without keys (nil) it looks up nothing.
//
// Its answer distinguishes a known access key from an unknown one, as those of
// Verify and of AWS do.
func (v *Verifier) Screen(ctx context.Context, r *Request, keys Keys) error {
	s := v.borrow()
	defer v.giveBack(s)
	c, _, err := v.check(s, r)
	if err != nil || keys == nil {
		return err
	}

	_, _, err = keys.SecretKey(ctx, c.accessKeyID, c.token)
	if err == nil {
		return nil
	}
	if refusal := KeyRefusal(err); refusal != nil {
		return refusal
	}
	return fmt.Errorf("look up access key: %w", err)
}

// Verify accepts or refuses a request. A refusal is an *Error; any other error
// came from keys. The request is only read.
func (v *Verifier) Verify(ctx context.Context, r *Request, keys Keys) (Result, error) {
	s := v.borrow()
	defer v.giveBack(s)

	c, index, err := v.check(s, r)
	if err != nil {
		return Result{}, err
	}
	if err := s.checkBody(r); err != nil {
		return Result{}, err
	}

	secret, principal, err := keys.SecretKey(ctx, c.accessKeyID, c.token)
	var refusal *Error
	if err != nil {
		if refusal = KeyRefusal(err); refusal == nil {
			return Result{}, fmt.Errorf("look up access key: %w", err)
		}
		// Go on with a secret that no key has, so that the time taken does not
		// distinguish a known key from an unknown one.
		secret = ""
	} else if secret == "" {
		return Result{}, errors.New("look up access key: the secret is empty")
	}

	// The strict form first, then the other spellings that clients are known to sign.
	key := v.cache.get(secret, c.day, index, c.scope)
	matches := s.matches(r, &c, key)
	var hosts []string
	if !matches {
		hosts = candidates(r, v.options.PublicHosts)
		matches = s.matchesOtherwise(r, &c, key, hosts)
	}

	if refusal != nil {
		return Result{}, refusal
	}
	if !matches {
		return Result{}, v.mismatch(s, r, &c, hosts)
	}

	return Result{
		AccessKeyID: c.accessKeyID, SessionToken: c.token, Scope: v.options.Scopes[index],
		Presigned: c.presigned, SignedAt: c.signedAt, Principal: principal,
	}, nil
}

func (v *Verifier) borrow() *scratch { return v.scratch.Get().(*scratch) }

func (v *Verifier) giveBack(s *scratch) {
	s.reset()
	v.scratch.Put(s)
}

// check makes every check that needs neither key nor body, and leaves in s what
// the signature is computed from. It returns the index of the scope among the
// options' scopes.
func (v *Verifier) check(s *scratch, r *Request) (c claim, scope int, err error) {
	path, query, err := splitTarget(r)
	if err != nil {
		return c, 0, err
	}

	s.path = path
	if err = s.query.parse(query); err != nil {
		return c, 0, err
	}

	// What the request claims: its key, scope, date and signed headers.
	if c, err = readClaim(r, &s.query); err != nil {
		return c, 0, err
	}
	if scope, err = v.checkScope(&c); err != nil {
		return c, 0, err
	}
	if err = v.checkClock(&c); err != nil {
		return c, 0, err
	}

	// What the signature covers: everything that acts on the request.
	if s.signed, err = signedList(s.signed[:0], c.signedHeaders); err != nil {
		return c, 0, err
	}
	if err = checkHeaders(r.Header, s.signed, v.options.unsignedToken); err != nil {
		return c, 0, err
	}

	if s.headers, s.spelling, err = appendHeaders(s.headers[:0], s.spelling, r, r.Host, s.signed); err != nil {
		return c, 0, err
	}
	if v.options.unsignedToken {
		s.omit = paramToken
	}
	return c, scope, s.namedHashes(r, wholeBody)
}

// splitTarget cuts the raw target into path and query.
func splitTarget(r *Request) (path, query string, err error) {
	if len(r.Target) > maxTarget {
		return "", "", incomplete(StepForm, "the request target is longer than %d bytes", maxTarget)
	}
	if !strings.HasPrefix(r.Target, "/") {
		return "", "", incomplete(StepForm, "the request target must begin with a slash")
	}
	if !validMethod(r.Method) {
		return "", "", incomplete(StepForm, "the method %s is not in upper-case letters", quote(r.Method))
	}
	path, query, _ = strings.Cut(r.Target, "?")
	return path, query, nil
}

func validMethod(method string) bool {
	for i := 0; i < len(method); i++ {
		if method[i] < 'A' || method[i] > 'Z' {
			return false
		}
	}
	return method != "" && len(method) <= 16
}

// checkScope finds the scope of the credential among those accepted and
// compares its day with the date of signing.
func (v *Verifier) checkScope(c *claim) (int, error) {
	if c.day != c.date[:len(dayLayout)] {
		return 0, invalid(StepScope, "the day %s in the credential scope is not the day of the date of signing %s", quote(c.day), c.date)
	}
	var regions, services []string
	for i, scope := range v.options.Scopes {
		if scope == c.scope {
			return i, nil
		}
	}

	// Say which half of the scope is wrong, so that the client's setting can be found.
	for _, scope := range v.options.Scopes {
		if scope.Service == c.scope.Service {
			regions = append(regions, scope.Region)
		}
		services = append(services, scope.Service)
	}
	if len(regions) > 0 {
		return 0, invalid(StepScope, "the credential scope names the region %s; this server is %s",
			quote(c.scope.Region), strings.Join(regions, ", "))
	}
	return 0, invalid(StepScope, "the credential scope names the service %s; this server accepts %s",
		quote(c.scope.Service), strings.Join(services, ", "))
}

// checkClock holds the date of signing against the server's clock, limits
// included.
func (v *Verifier) checkClock(c *claim) error {
	now, skew := v.options.Now(), v.options.Skew
	age, lifetime := now.Sub(c.signedAt), min(c.expires, v.options.MaxPresign)
	switch {
	case age < -skew:
		return expired("the request was signed for %s, more than %s after the server's time %s: check the client's clock",
			c.date, skew, now.UTC().Format(timeLayout))
	case c.presigned && age > lifetime+v.options.Grace:
		return expired("the presigned URL was made at %s, opens for %s here, and the server's time is %s: make a new one, or check the client's clock",
			c.date, lifetime, now.UTC().Format(timeLayout))
	case !c.presigned && age > skew:
		return expired("the request was signed at %s, more than %s before the server's time %s: check the client's clock",
			c.date, skew, now.UTC().Format(timeLayout))
	}
	return nil
}

// mismatch is the refusal of a wrong signature.
func (v *Verifier) mismatch(s *scratch, r *Request, c *claim, hosts []string) error {
	tried := make([]string, len(hosts))
	for i, host := range hosts {
		tried[i] = quote(host)
	}
	err := &Error{
		Code: CodeInvalid, Status: http.StatusForbidden, Step: StepSignature,
		Message: "the signature does not match the request, nor with Host as " + strings.Join(tried, ", ") +
			": check the secret key, that the path is escaped twice and the query once, and that proxies pass Host and the path on as they were signed",
	}

	if v.options.Explain {
		s.headers, s.spelling, _ = appendHeaders(s.headers[:0], s.spelling, r, r.Host, s.signed) // as check made them
		toSign := s.build(r, c, variant{})
		err.CanonicalRequest = redact(string(s.canonical))
		err.StringToSign = string(toSign[blockSize:])
	}
	return err
}

// equal compares a signature as sent with the one computed, in constant time.
func equal(sent string, mac [sha256.Size]byte) bool {
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], mac[:])
	return subtle.ConstantTimeCompare([]byte(sent), want[:]) == 1
}
