package awshttp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/throttle"
)

// Gate decides which principal calls and whether it may. access.Service is one.
type Gate interface {
	// Screen refuses a request whose body has not been read, by what no body could mend. Its errors
	// are those of Verify.
	Screen(ctx context.Context, r *sigv4.Request) error
	// Verify returns the principal that signed the request, and the service that it
	// was signed for. Its error is a *sigv4.Error or an *api.Error, or a failure
	// of the server.
	Verify(ctx context.Context, r *sigv4.Request) (p *access.Principal, service string, err error)
	// Authorize decides by IAM whether the principal may make the call.
	Authorize(ctx context.Context, p *access.Principal, op *api.Operation, req api.Request, from access.Source) error
}

var _ Gate = (*access.Service)(nil)

// Options of the transport.
type Options struct {
	Gate       Gate            // required
	Operations []api.Operation // of all services together, see routes
	Log        *slog.Logger    // nil discards
	// Limiter refuses calls that come too fast, once the gate has let them in; nil refuses none.
	Limiter *throttle.Limiter

	// Bodies is the budget of all request bodies in memory; nil means one of DefaultBodyBytes.
	// Beyond it requests are answered 503 with Retry-After.
	Bodies *Bodies
	// Presigned accepts requests that are signed in their URL. The messaging
	// clients sign /connect alone so, which is not of this package.
	Presigned bool
	// AllowOrigin reports whether browsers may call from a web origin; nil allows
	// every one. No cookies are used.
	AllowOrigin func(origin string) bool
	// Explain adds to the refusal of a signature what the server computed, when the
	// gate includes it. For development.
	Explain bool

	// PageKey seals page tokens; with the same key they survive a restart. Nil makes one.
	PageKey *PageKey

	// Secure reports whether a request came over TLS; nil looks at its TLS
	// field.
	Secure func(*http.Request) bool

	// Now is the clock for durations; nil means time.Now.
	Now func() time.Time
	// Random makes request ids and must be safe for concurrent use; nil means
	// crypto/rand.
	Random io.Reader
	// Observe, if set, is called for every answer but those to CORS preflights.
	// The operation is a name of the model or "unknown". Status 499 means that
	// the client left before there was an answer.
	Observe func(operation string, status int, d time.Duration)
	// Refused, if set, is called for every caller that was refused: the step, one of sigv4's or
	// "policy", and the error type. Both are of small closed sets.
	Refused func(step, errorType string)
	// Audit, if set, is handed every answered call.
	Audit Auditor
	// AccessLog writes a line for every answer at the level info, with the principal and its
	// address.
	AccessLog bool
}

// transport answers requests. CORS stands in front of it, see New.
type transport struct {
	options Options
	open    actions // operations without a signature: no REST operation is one
	guarded routes  // every other operation, found behind the gate only
	unknown *fallbackOps

	samplers samplers
	pages    pages
}

// New builds the handler of the operations. It refuses tables in which two
// operations claim the same request.
func New(o Options) (http.Handler, error) {
	if o.Gate == nil {
		return nil, errors.New("awshttp: options have no gate")
	}

	// Defaults for what the options leave out.
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Bodies == nil {
		o.Bodies = NewBodies(0)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Secure == nil {
		o.Secure = func(r *http.Request) bool { return r.TLS != nil }
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}

	t := &transport{options: o, open: actions{}, guarded: newRoutes(), unknown: newFallbackOps(o.Operations), samplers: newSamplers(o.Now)}
	if o.PageKey == nil {
		o.PageKey = new(PageKey)
		if _, err := io.ReadFull(rand.Reader, o.PageKey[:]); err != nil {
			return nil, fmt.Errorf("awshttp: page tokens: %w", err)
		}
	}
	var err error
	if t.pages, err = newPages(*o.PageKey, rand.Reader); err != nil {
		return nil, err
	}

	// Ambiguous routes are found here, before the first request.
	for i := range o.Operations {
		if err := t.register(&o.Operations[i]); err != nil {
			return nil, fmt.Errorf("awshttp: %s of %s: %w", o.Operations[i].Name, o.Operations[i].Service, err)
		}
	}
	if err := t.guarded.build(); err != nil {
		return nil, fmt.Errorf("awshttp: %w", err)
	}

	return allowOrigins(o.AllowOrigin, t), nil
}

// register puts an operation on the side of the gate that its model names.
func (t *transport) register(op *api.Operation) error {
	if op.Decode == nil || op.Call == nil {
		return errors.New("the operation is not bound to a handler")
	}
	if op.Unsigned && op.Protocol == api.RESTJSON {
		return errors.New("a REST operation must be signed")
	}
	if op.Unsigned {
		return t.open.add(op)
	}
	return t.guarded.add(op)
}
