package cognito

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/oidc"
	"github.com/carillon-chat/carillon/internal/sts"
)

// caller is an identity with the logins that this call proved.
type caller struct {
	id, pool string
	logins   []*oidc.Identity // in the order of their providers
}

// prove verifies the token of each login, in the order of their providers.
func (s *Service) prove(ctx context.Context, tokens map[string]string) (list []*oidc.Identity, err error) {
	for _, provider := range slices.Sorted(maps.Keys(tokens)) {
		login, err := s.options.Verifier.Verify(ctx, tokens[provider])
		switch {
		case errors.Is(err, oidc.ErrCommunication):
			return nil, wire.ExternalServiceException.Errorf("%v", err)
		case isRefusal(err):
			return nil, wire.NotAuthorizedException.Errorf("Invalid login token. %v", err)
		case err != nil:
			return nil, err
		case login.Provider != provider || provider == sts.Cognito:
			return nil, wire.NotAuthorizedException.Errorf("Invalid login token. It is not of the issuer that Logins names for it.")
		}
		list = append(list, login)
	}
	return list, nil
}

func isRefusal(err error) bool {
	_, is := errors.AsType[*oidc.Refusal](err)
	return is
}

// methods are the values of the identity's amr: how it was authenticated, and by which issuer.
func (c caller) methods() []string {
	if len(c.logins) == 0 {
		return []string{"unauthenticated"}
	}
	list := []string{"authenticated"}
	for _, l := range c.logins {
		list = append(list, l.Provider, l.Provider+":"+l.Audience+":"+l.Subject)
	}
	return list
}

// login is the identity as trust policies and the policies of its role see it.
func (c caller) login() sts.Login {
	return sts.Login{Principal: sts.Cognito, Claims: map[string][]string{
		sts.Cognito + ":sub": {c.id}, audience: {c.pool}, sts.Cognito + ":amr": c.methods(),
	}}
}

// withinModel turns an answer of STS into one that this API declares.
func withinModel(err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return wire.InvalidParameterException.Errorf("%s", e.Message)
	}
	return err
}
