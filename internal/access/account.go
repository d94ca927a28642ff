package access

import (
	"context"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// tagActions are also needed by operations of IAM that carry tags.
var tagActions = map[string]string{
	"CreateUser": "iam:TagUser", "CreateRole": "iam:TagRole", "CreatePolicy": "iam:TagPolicy",
	"CreateOpenIDConnectProvider": "iam:TagOpenIDConnectProvider",
}

// accountWide are the operations of IAM that are about no user, role, policy or provider, but about
// the account: they need permission on *.
var accountWide = map[string]bool{
	"ListOpenIDConnectProviders": true, "ListPolicies": true, "ListRoles": true, "ListUsers": true, "SimulateCustomPolicy": true,
}

// accountNeed returns the permission that an operation of IAM needs: its action on the user, role,
// policy or provider that it names, on the caller's own user when it may leave that out, and on *
// when it is in accountWide. Another one that names nothing is refused.
func (s *Service) accountNeed(ctx context.Context, p *Principal, op *api.Operation, req api.Request) (need, error) {
	// Only a user or role needs a look into the store, for its path.
	n := need{action: "iam:" + op.Name}
	var kind, name string
	switch {
	case req.Member("RoleName") != "":
		kind, name = chime.EntityRole, req.Member("RoleName")
	case req.Member("UserName") != "":
		kind, name = chime.EntityUser, req.Member("UserName")
	case op.Name == "GetUser" || op.Name == "ListAccessKeys" || strings.HasSuffix(op.Name, "AccessKey"):
		n.arn = p.RoleARN()
		return n, nil
	case op.Name == "CreatePolicy":
		n.arn = s.iamARN("policy" + pathOf(req) + req.Member("PolicyName"))
		return n, nil
	case op.Name == "CreateOpenIDConnectProvider":
		n.arn = s.iamARN("oidc-provider/" + strings.TrimPrefix(req.Member("Url"), "https://"))
		return n, nil
	case accountWide[op.Name]:
		n.arn = "*"
		return n, nil
	default:
		for _, member := range [...]string{"PolicyArn", "OpenIDConnectProviderArn", "PolicySourceArn"} {
			if arn := req.Member(member); arn != "" {
				n.arn = arn
			}
		}
		if n.arn == "" {
			return n, noRule(op)
		}
		return n, nil
	}

	if op.Name == "CreateUser" || op.Name == "CreateRole" {
		n.arn = s.iamARN(kind + pathOf(req) + name)
		return n, nil
	}

	var err error
	n.arn, err = s.entityARN(ctx, kind, name)
	return n, err
}

func pathOf(req api.Request) string {
	if path := req.Member("Path"); path != "" {
		return path
	}
	return "/"
}

// entityARN returns the ARN of a user or role, whose path only the store knows. One that does not
// exist has the path /.
func (s *Service) entityARN(ctx context.Context, kind, name string) (string, error) {
	path := "/"
	err := s.store.View(ctx, "", func(r store.Reader) error {
		key := store.K(strings.ToLower(name))
		if kind == chime.EntityRole {
			role, found, err := store.Roles.Get(r, key)
			if found {
				path, name = role.Path, role.Name
			}
			return err
		}
		u, found, err := store.AccountUsers.Get(r, key)
		if found {
			path, name = u.Path, u.Name
		}
		return err
	})
	return s.iamARN(kind + path + name), err
}
