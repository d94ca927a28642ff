package access

import (
	"context"
	"errors"
	"net/netip"
	"unique"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Standing is what an open connection goes on by: the credentials that signed its request and where
// the request came from, enough to decide again. It holds no secret. Connections with the same
// credentials from the same address share one, and comparing two is comparing two words. The zero
// Standing may do nothing.
type Standing struct{ of unique.Handle[standing] }

type standing struct {
	accessKeyID string
	token       string // of temporary credentials
	ip          netip.Addr
	secure      bool
	userAgent   string
}

// NewStanding is that of a connection whose request these credentials signed. The token is empty for
// long-term ones.
func NewStanding(accessKeyID, token string, from Source) Standing {
	return Standing{unique.Make(standing{accessKeyID, token, from.IP(), from.Secure, from.UserAgent})}
}

// resolve finds the principal of the standing as the account is now, in the same way as every
// request. A refusal is a *sigv4.Error.
func (s *Service) resolve(ctx context.Context, st Standing) (*Principal, Source, error) {
	if st == (Standing{}) {
		return nil, Source{}, sigv4.KeyRefusal(sigv4.ErrUnknownKey)
	}
	of := st.of.Value()
	from := Source{Secure: of.secure, UserAgent: of.userAgent}
	if of.ip.IsValid() {
		from.Remote = netip.AddrPortFrom(of.ip, 0).String()
	}

	_, found, err := s.SecretKey(ctx, of.accessKeyID, of.token)
	if err != nil {
		if refusal := sigv4.KeyRefusal(err); refusal != nil {
			err = refusal
		}
		return nil, from, err
	}
	return found.(*Principal), from, nil
}

// Revision counts the calls of Forget: a decision of an older revision may not hold any more.
func (s *Service) Revision() uint64 { return s.generation.Load() }

// Reconnect decides again about a connection of the app instance user as Connect did, by the
// account as it is now. Steady reports that the answer changes with the account alone. Credentials
// that have only expired are not refused: the connection's owner ends it at that time. Its error is
// a *sigv4.Error or a *DeniedError, or a failure of the server.
func (s *Service) Reconnect(ctx context.Context, st Standing, app string, user chime.Ref) (steady bool, err error) {
	p, from, err := s.resolve(ctx, st)
	if refused, ok := errors.AsType[*sigv4.Error](err); ok && refused.Code == sigv4.CodeExpiredToken {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return s.mayConnect(ctx, p, s.site.RefARN(app, user), from)
}

// mayConnect refuses with a *DeniedError a principal that may not connect as the user.
func (s *Service) mayConnect(ctx context.Context, p *Principal, userARN string, from Source) (steady bool, err error) {
	n := need{action: "chime:Connect", arn: userARN}
	d, err := s.decide(p, &n, s.Conditions(ctx, p, nil, from))
	if err == nil && !d.Allowed {
		err = denied(p, d)
	}
	return d.Steady, err
}

// AuthorizeStanding is Authorize for a call that comes by an open connection.
func (s *Service) AuthorizeStanding(ctx context.Context, st Standing, op *api.Operation, req api.Request) error {
	p, from, err := s.resolve(ctx, st)
	if err != nil {
		return err
	}
	return s.Authorize(ctx, p, op, req, from)
}
