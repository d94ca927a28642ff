// Package grants reads the users and roles of the account together with everything that limits
// them, inside a transaction of the caller. It promises:
//   - What it answers is what is stored at that moment; it keeps nothing.
//   - A document or boundary that is stored and cannot be read never counts as a permission.
package grants

import (
	"fmt"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/store"
)

// User is an IAM user with what limits it.
type User struct {
	chime.AccountUser
	ARN string
	Set policy.Set
}

// Role is an IAM role with what limits its sessions; their own session policies come on top. Its
// trust policy is text, for iam.ParseTrust.
type Role struct {
	chime.Role
	ARN string
	Set policy.Set
}

// LoadUser reads a user, whatever the case of its name; found reports whether there is one.
func LoadUser(r store.Reader, site chime.Site, name string) (user User, found bool, err error) {
	u, found, err := store.AccountUsers.Get(r, store.K(strings.ToLower(name)))
	if err != nil || !found {
		return User{}, false, err
	}
	set, err := load(r, site, chime.EntityUser, u.Name, u.Boundary)
	if err != nil {
		return User{}, false, fmt.Errorf("user %s: %w", u.Name, err)
	}
	return User{AccountUser: u, ARN: UserARN(site, u), Set: set}, true, nil
}

// LoadRole reads a role, whatever the case of its name; found reports whether there is one.
func LoadRole(r store.Reader, site chime.Site, name string) (role Role, found bool, err error) {
	rec, found, err := store.Roles.Get(r, store.K(strings.ToLower(name)))
	if err != nil || !found {
		return Role{}, false, err
	}
	set, err := load(r, site, chime.EntityRole, rec.Name, rec.Boundary)
	if err != nil {
		return Role{}, false, fmt.Errorf("role %s: %w", rec.Name, err)
	}
	return Role{Role: rec, ARN: RoleARN(site, rec), Set: set}, true, nil
}

// InlineName is how decisions call an inline policy.
func InlineName(policy string) string { return "inline policy " + policy }

// load reads the policies of an entity: inline ones, attached ones by their ARN, and the boundary.
func load(r store.Reader, site chime.Site, kind, name, boundary string) (set policy.Set, err error) {
	key := store.K(kind, strings.ToLower(name))
	err = store.InlinePolicies.Each(r, store.Prefix(key), func(_ store.Key, p chime.InlinePolicy) (bool, error) {
		doc, err := policy.Parse([]byte(p.Document))
		if err != nil {
			return false, fmt.Errorf("inline policy %s: %w", p.Name, err)
		}
		set.Identity = append(set.Identity, policy.Policy{Name: InlineName(p.Name), Document: doc})
		return true, nil
	})
	if err != nil {
		return policy.Set{}, err
	}

	err = store.Attachments.Each(r, store.Prefix(key), func(_ store.Key, arn string) (bool, error) {
		p, _, err := Document(r, site, arn)
		if err == nil {
			set.Identity = append(set.Identity, p)
		}
		return err == nil, err
	})
	if err != nil || boundary == "" {
		return set, err
	}

	// A boundary that cannot be found limits to nothing.
	set.HasBoundary = true
	p, found, err := Document(r, site, boundary)
	if found {
		set.Boundary = append(set.Boundary, p)
	}
	return set, err
}

// Document reads the version of a managed policy that is in force, under the policy's ARN.
func Document(r store.Reader, site chime.Site, arn string) (p policy.Policy, found bool, err error) {
	m, found, err := LoadManaged(r, site, arn)
	if err != nil || !found {
		return policy.Policy{}, false, err
	}
	p, err = m.InForce()
	return p, err == nil, err
}

// InForce is the version of the policy that counts, under the policy's ARN.
func (m *Managed) InForce() (policy.Policy, error) {
	version, ok := m.Version(m.Default)
	if !ok {
		return policy.Policy{}, fmt.Errorf("%w: policy %s has no version %d", store.ErrCorrupt, m.ARN, m.Default)
	}
	doc, err := policy.Parse([]byte(version.Document))
	if err != nil {
		return policy.Policy{}, fmt.Errorf("policy %s: %w", m.ARN, err)
	}
	return policy.Policy{Name: m.ARN, Document: doc}, nil
}
