package cognito

import (
	"context"
	"slices"
	"strings"

	wire "github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/sts"
)

// pools are the roles of each pool, as they were in one generation.
type pools struct {
	generation uint64
	roles      map[string][]chime.Role
}

// pool returns the roles that name the pool; none means that there is no such pool.
func (s *Service) pool(ctx context.Context, id string) ([]chime.Role, error) {
	if known := s.known.Load(); known != nil && known.generation == s.generation.Load() {
		return known.roles[id], nil
	}

	s.reading.Lock()
	defer s.reading.Unlock()
	// What was read before a Forget is stored as old.
	read := &pools{generation: s.generation.Load(), roles: map[string][]chime.Role{}}
	if known := s.known.Load(); known != nil && known.generation == read.generation {
		return known.roles[id], nil
	}

	err := s.options.Store.View(ctx, "", func(r store.Reader) error {
		return store.Roles.Each(r, store.Range{}, func(_ store.Key, role chime.Role) (bool, error) {
			for _, pool := range poolsOf(role.Trust) {
				read.roles[pool] = append(read.roles[pool], role)
			}
			return true, nil
		})
	})
	if err != nil {
		return nil, err
	}

	s.known.Store(read)
	return read.roles[id], nil
}

const audience = sts.Cognito + ":aud"

// poolsOf returns the pools that a trust policy names. Which callers it accepts is decided later,
// by the policy as a whole.
func poolsOf(trust string) (list []string) {
	if !strings.Contains(trust, sts.Cognito) {
		return nil
	}

	document, err := policy.ParseTrust([]byte(trust))
	if err != nil {
		return nil
	}
	for _, statement := range document.Statements {
		if statement.Effect != policy.Allow || statement.Principals == nil || !slices.Contains(statement.Principals.Federated, sts.Cognito) {
			continue
		}

		for _, c := range statement.Conditions {
			if !strings.EqualFold(c.Key, audience) || !strings.HasSuffix(strings.ToLower(c.Operator), "stringequals") {
				continue
			}
			for _, pool := range c.Values {
				if !slices.Contains(list, pool) {
					list = append(list, pool)
				}
			}
		}
	}
	return list
}

// fitting returns the roles that trust the caller. A caller without any is refused.
func (s *Service) fitting(ctx context.Context, roles []chime.Role, who caller) (list []chime.Role, err error) {
	login := who.login()
	for _, role := range roles {
		if s.options.STS.Trusts(ctx, role, login) {
			list = append(list, role)
		}
	}

	switch {
	case len(list) > 0:
		return list, nil
	case len(who.logins) == 0:
		return nil, wire.NotAuthorizedException.Errorf("Unauthenticated access is not supported for this identity pool.")
	}
	return nil, wire.NotAuthorizedException.Errorf("No role of the identity pool trusts this login.")
}

// choose returns the one role that trusts the caller, or the caller's choice of several.
func (s *Service) choose(ctx context.Context, roles []chime.Role, who caller, custom *string) (chime.Role, error) {
	fitting, err := s.fitting(ctx, roles, who)
	if err != nil {
		return chime.Role{}, err
	}

	var names []string
	for _, role := range fitting {
		arn := grants.RoleARN(s.options.Site, role)
		if custom != nil && *custom == arn {
			return role, nil
		}
		names = append(names, arn)
	}

	switch {
	case custom != nil:
		return chime.Role{}, wire.NotAuthorizedException.Errorf("The role of CustomRoleArn does not trust this identity.")
	case len(fitting) > 1:
		return chime.Role{}, wire.InvalidIdentityPoolConfigurationException.Errorf(
			"Several roles trust this identity, so CustomRoleArn has to name one: %s.", strings.Join(names, ", "))
	}
	return fitting[0], nil
}
