package access

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/policy"
)

// Source is where a request came from, as conditions see it.
type Source struct {
	Remote    string // host:port of the peer
	Secure    bool   // over TLS
	UserAgent string
}

// IP is the address of the peer, invalid when that has none.
func (f Source) IP() netip.Addr {
	at, err := netip.ParseAddrPort(f.Remote)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// DeniedError refuses a call because IAM does not allow it. It wraps the *api.Error that is
// answered.
type DeniedError struct {
	Principal string // ARN
	Decision  policy.Decision
	answer    *api.Error
}

func (e *DeniedError) Error() string { return e.answer.Error() }

// Unwrap gives the answer to the caller.
func (e *DeniedError) Unwrap() error { return e.answer }

func denied(p *Principal, d policy.Decision) error {
	return &DeniedError{Principal: p.ARN, Decision: d, answer: accessDenied(
		"User: %s is not authorized to perform: %s on resource: %s %s", p.ARN, d.Action, d.Resource, d.Reason())}
}

func accessDenied(format string, args ...any) *api.Error {
	return &api.Error{
		Type: "AccessDeniedException", Code: "AccessDenied", Status: 403, Message: fmt.Sprintf(format, args...),
	}
}

// Authorize refuses with a *DeniedError unless the principal's policies allow the operation on
// every resource that the request names, and whatever else the operation needs (spec 2.5). It
// allocates nothing for what it has allowed before.
func (s *Service) Authorize(ctx context.Context, p *Principal, op *api.Operation, req api.Request, from Source) error {
	if done, err := p.withoutPolicy(op); done {
		return err
	}

	var room [4]need
	needs, err := s.needs(ctx, room[:0], p, op, req)
	if err != nil {
		return err
	}

	// What was allowed before is allowed again; conditions are made only for what was not.
	var c *Conditions
	for i := range needs {
		if s.allowed(p, &needs[i]) {
			continue
		}
		if c == nil {
			c = s.Conditions(ctx, p, req, from)
		}
		d, err := s.decide(p, &needs[i], c)
		if err != nil {
			return err
		}
		if d.Explicit || !d.Allowed && !needs[i].elsewhere {
			return denied(p, d)
		}
	}
	return nil
}

// withoutPolicy decides what no policy does; done reports whether it did.
func (p *Principal) withoutPolicy(op *api.Operation) (done bool, err error) {
	switch {
	case op.SigningName == "sts" && op.Name == "GetCallerIdentity": // nothing can deny it
		return true, nil
	case op.SigningName == "sts" && op.Name == "GetSessionToken":
		if p.Temporary() {
			return true, accessDenied("Cannot call GetSessionToken with session credentials")
		}
		return true, nil
	case op.SigningName == "iam" && p.Kind == UserSession:
		return true, accessDenied("User: %s is not authorized to perform: iam:%s because credentials of GetSessionToken cannot call IAM", p.ARN, op.Name)
	}
	return false, nil
}

// allowed reports whether the need is known to be allowed, whatever the request. That is never
// known of a need with an alternative resource: what was remembered of the one says nothing of a
// deny on the other.
func (s *Service) allowed(p *Principal, n *need) bool {
	if p.all || n.or != "" {
		return p.all
	}
	return s.granted.find(s.grantHash(p, n.action, n.arn), func(g *granted) bool {
		return g.principal == p.serial && g.action == n.action && g.resource == n.arn
	}) != nil
}

func (s *Service) grantHash(p *Principal, action, resource string) uint64 {
	const odd = 0x9e3779b97f4a7c15
	return (s.granted.hash(resource)^p.serial)*odd + s.granted.hash(action)
}

// decide evaluates the need under each of its resources: one deny refuses, one allow suffices. A
// decision that is neither is about the first. Its error is a failure of the store.
func (s *Service) decide(p *Principal, n *need, c *Conditions) (policy.Decision, error) {
	d := c.ask(p, n.action, n.arn)
	switch {
	case n.or != "" && !d.Explicit:
		if other := c.ask(p, n.action, n.or); other.Explicit || !d.Allowed && other.Allowed {
			d = other
		}
	case d.Allowed && d.Steady:
		s.grant(p, n)
	}
	return d, c.failed
}

func (s *Service) grant(p *Principal, n *need) {
	s.granted.put(s.grantHash(p, n.action, n.arn),
		&granted{p.serial, n.action, strings.Clone(n.arn)}) // a piece of the request would keep all of it
}
