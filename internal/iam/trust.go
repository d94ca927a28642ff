package iam

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/store"
)

// A trust policy names users and roles by ARN, and an ARN can be given again. So the ids that the
// names have when the policy is set are kept beside its text, and only they are trusted.

// setTrust gives a role its trust policy. It refuses one that names a user, a role or a role's session
// that does not exist.
func (s *Service) setTrust(r store.Reader, role *chime.Role, document string) error {
	trusted, unknown, err := s.bind(r, document)
	if err != nil {
		return err
	}
	if unknown != "" {
		return iamapi.MalformedPolicyDocumentException.Errorf(`Invalid principal in policy: "AWS":"%s"`, unknown)
	}
	role.Trust, role.Trusted, role.Bound = document, trusted, true
	return nil
}

// bind finds the ids of the users, roles and sessions that a trust policy names, and the first name
// without a holder.
func (s *Service) bind(r store.Reader, document string) (trusted []chime.Trusted, unknown string, err error) {
	parsed, err := policy.ParseTrust([]byte(document))
	if err != nil {
		return nil, "", malformed(err)
	}
	for _, statement := range parsed.Statements {
		for _, arn := range statement.Principals.AWS {
			if arn == "*" || policy.IsAccount(arn) || slices.ContainsFunc(trusted, func(t chime.Trusted) bool { return t.ARN == arn }) {
				continue
			}

			id, err := s.idOf(r, arn)
			switch {
			case err != nil:
				return nil, "", err
			case id != "":
				trusted = append(trusted, chime.Trusted{ARN: arn, ID: id})
			case unknown == "":
				unknown = arn
			}
		}
	}
	return trusted, unknown, nil
}

// idOf returns the unique id of the user or role with the ARN, empty when there is none. A session
// of a role has the role's and its own name: AROA...:web.
func (s *Service) idOf(r store.Reader, arn string) (id string, err error) {
	if path, ok := strings.CutPrefix(arn, "arn:aws:sts::"+s.site.Account+":assumed-role/"); ok {
		name, session, _ := strings.Cut(path, "/")
		role, _, err := store.Roles.Get(r, nameKey(name))
		if err != nil || role.Name != name || session == "" || strings.Contains(session, "/") {
			return "", err
		}
		return role.ID + ":" + session, nil
	}

	name := arn[strings.LastIndexByte(arn, '/')+1:]
	user, _, err := store.AccountUsers.Get(r, nameKey(name))
	if err != nil || grants.UserARN(s.site, user) == arn {
		return user.ID, err
	}
	role, _, err := store.Roles.Get(r, nameKey(name))
	if err != nil || grants.RoleARN(s.site, role) == arn {
		return role.ID, err
	}
	return "", nil
}

// shownTrust is the trust policy as answers carry it: a name that is not the same user's or role's any
// more is shown as the id that is trusted, as AWS does.
func (s *Service) shownTrust(r store.Reader, role chime.Role) (string, error) {
	gone := map[string]string{}
	for _, t := range role.Trusted {
		id, err := s.idOf(r, t.ARN)
		if err != nil {
			return "", err
		}
		if id != t.ID {
			gone[t.ARN] = t.ID
		}
	}
	if len(gone) == 0 {
		return role.Trust, nil
	}
	return policy.RenamePrincipals(role.Trust, gone), nil
}

// BindTrusts binds the trust policies of roles that were stored without ids to the users and roles that
// have the names now: those could assume the roles before, and no later holder of a name can. Until
// then such a role trusts no caller by name.
func (s *Service) BindTrusts(ctx context.Context) error {
	var unbound []chime.Role

	// Found again in the transaction, since roles may change in between.
	find := func(r store.Reader) error {
		unbound = nil
		return store.Roles.Each(r, store.Prefix(store.K()), func(_ store.Key, role chime.Role) (bool, error) {
			if !role.Bound {
				unbound = append(unbound, role)
			}
			return true, nil
		})
	}

	if err := s.store.View(ctx, "", find); err != nil || len(unbound) == 0 {
		return err
	}
	return s.change(ctx, func(tx store.Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		for _, role := range unbound {
			trusted, _, err := s.bind(tx, role.Trust)
			if _, malformed := errors.AsType[*api.Error](err); err != nil && !malformed { // a malformed one trusts no caller
				return err
			}
			role.Trusted, role.Bound = trusted, true
			if err := store.Roles.Put(tx, nameKey(role.Name), role); err != nil {
				return err
			}
		}
		return nil
	})
}
