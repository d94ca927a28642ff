package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// MaxToken is the most characters of a token.
const MaxToken = 20_000

// Kinds of refusal. An error of Verify that is of none of them is a failure of the server.
var (
	ErrInvalid       = errors.New("the token is not valid")
	ErrExpired       = errors.New("the token has expired")
	ErrRejected      = errors.New("a claim of the token is refused")
	ErrCommunication = errors.New("the issuer did not answer as it should")
)

// Refusal is why a token is refused; it reveals nothing that the token does not.
type Refusal struct {
	Kind    error // one of the kinds above
	Message string
}

// Error is the message.
func (e *Refusal) Error() string { return e.Message }

// Unwrap is the kind.
func (e *Refusal) Unwrap() error { return e.Kind }

func refuse(kind error, format string, args ...any) error {
	return &Refusal{kind, fmt.Sprintf(format, args...)}
}

// Identity is an identity that an issuer vouches for.
type Identity struct {
	Provider string   // URL of the issuer without the scheme
	Subject  string   // 1 to 255 characters
	Audience string   // the client id that the token is for
	Claimed  []string // every audience that the token names
	Methods  []string // amr
	// Tags and TransitiveTags are the session tags that the issuer requests.
	Tags           []chime.Tag
	TransitiveTags []string
	Expires        time.Time
}

// Options of a Verifier.
type Options struct {
	Store store.Store
	Now   func() time.Time
	// Client fetches from issuers; NewClient makes one.
	Client *http.Client
	// AllowHTTP accepts issuers whose URL begins with http:// when their host is a loopback one.
	// IAM knows such a provider by the same URL with https://.
	AllowHTTP bool
	// Own is the service's own issuer; its tokens need no registration and have any audience.
	Own *Own
	Log *slog.Logger // logs issuers that fail; nil discards
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	options Options
	issuers issuers
}

// New makes a Verifier.
func New(o Options) *Verifier {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Verifier{options: o, issuers: issuers{client: o.Client, now: o.Now, log: o.Log}}
}

// Verify returns the identity that the token proves.
func (v *Verifier) Verify(ctx context.Context, token string) (*Identity, error) {
	signed, err := parse(token)
	if err != nil {
		return nil, err
	}
	unproven, err := parseClaims(signed.UnsafePayloadWithoutVerification())
	if err != nil {
		return nil, refuse(ErrInvalid, "the claims of the token cannot be read")
	}

	// The issuer that the token names decides only by whose key it is verified.
	var payload []byte
	var clients []string
	own := v.options.Own != nil && unproven.Issuer == v.options.Own.URL
	if own {
		payload, err = v.options.Own.verify(ctx, signed)
	} else if clients, err = v.clientsOf(ctx, unproven.Issuer); err == nil {
		payload, err = v.verify(ctx, unproven.Issuer, signed)
	}
	if err != nil {
		return nil, err
	}

	proven, err := parseClaims(payload)
	if err != nil || proven.Issuer != unproven.Issuer {
		return nil, refuse(ErrInvalid, "the claims of the token cannot be read")
	}
	if own {
		clients = proven.Audience
	}
	return proven.identity(clients, v.options.Now())
}

func (c *claims) identity(clients []string, now time.Time) (*Identity, error) {
	audience, err := c.audience(clients)
	if err == nil {
		err = c.check(now)
	}
	if err != nil {
		return nil, err
	}
	tags, err := c.sessionTags()
	if err != nil {
		return nil, refuse(ErrRejected, "%v", err)
	}
	return &Identity{
		Provider: withoutScheme(c.Issuer), Subject: c.Subject, Audience: audience, Claimed: c.Audience, Methods: c.Methods,
		Tags: tags, TransitiveTags: c.Tags.Transitive, Expires: c.Expires.time(),
	}, nil
}

// parse takes a token apart: the compact form alone, so nothing is in a header that is not
// signed, and no token is nested.
func parse(token string) (*jose.JSONWebSignature, error) {
	if len(token) > MaxToken {
		return nil, refuse(ErrInvalid, "the token has more than %d characters", MaxToken)
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if _, other := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); other {
		return nil, refuse(ErrInvalid, "the token is signed with an algorithm that is not accepted")
	}
	if err != nil || len(signed.Signatures) != 1 {
		return nil, refuse(ErrInvalid, "the token is no signed JSON Web Token")
	}

	extra := signed.Signatures[0].Protected.ExtraHeaders
	for _, name := range []jose.HeaderKey{"crit", "b64", jose.HeaderContentType} {
		if _, has := extra[name]; has {
			return nil, refuse(ErrInvalid, "the header %s of the token is not accepted", name)
		}
	}
	return signed, nil
}

// clientsOf returns the client ids of a registered issuer.
func (v *Verifier) clientsOf(ctx context.Context, issuer string) ([]string, error) {
	refused := refuse(ErrInvalid, "no OpenID Connect provider is registered for the issuer of the token")
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, refused
	}

	plain := v.options.AllowHTTP && isLoopback(u.Hostname()) && strings.HasPrefix(issuer, "http://")
	if !plain && !strings.HasPrefix(issuer, "https://") {
		return nil, refused
	}

	var provider chime.OIDCProvider
	var found bool
	err = v.options.Store.View(ctx, "", func(r store.Reader) (err error) {
		provider, found, err = store.OIDCProviders.Get(r, store.K(withoutScheme(issuer)))
		return err
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, refused
	}
	return provider.ClientIDs, nil
}

func withoutScheme(issuer string) string {
	_, rest, _ := strings.Cut(issuer, "://")
	return rest
}

// verify gives the payload once a key of the issuer verified its signature.
func (v *Verifier) verify(ctx context.Context, issuer string, signed *jose.JSONWebSignature) ([]byte, error) {
	header := signed.Signatures[0].Protected
	fetched, err := v.issuers.keysOf(ctx, issuer, func(k keys) bool { return len(k.of(header)) > 0 })
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, refuse(ErrCommunication, "the keys of the issuer %s cannot be had", issuer)
	}
	for _, key := range fetched.of(header) {
		if payload, err := signed.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, refuse(ErrInvalid, "no key of the issuer verifies the signature of the token")
}
