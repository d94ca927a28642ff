package iam

import (
	"context"
	"strings"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/store"
)

const defaultMaxSession = 3600 // seconds

// CreateRole makes a role, which can do nothing so far.
func (s *Service) CreateRole(ctx context.Context, r *iamapi.CreateRoleRequest) (*iamapi.CreateRoleResponse, error) {
	// What can be refused without a transaction is.
	if err := checkTrust(r.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	tags, err := newTags(r.Tags)
	if err != nil {
		return nil, err
	}
	id, err := s.newID(prefixRole, idLen)
	if err != nil {
		return nil, err
	}

	role := chime.Role{
		Name: r.RoleName, ID: id, Path: valueOr(r.Path, "/"), Description: valueOr(r.Description, ""),
		MaxSession: valueOr(r.MaxSessionDuration, defaultMaxSession), Created: s.now(), Boundary: valueOr(r.PermissionsBoundary, ""), Tags: tags,
	}

	// The name, the quota and the users that the trust policy names are read as of one moment.
	err = s.change(ctx, func(tx store.Tx) error {
		taken, err := store.Roles.Has(tx, nameKey(role.Name))
		if err != nil {
			return err
		}
		if taken {
			return exists("Role", role.Name)
		}
		if err := count(tx, countRoles, 1, s.limits.Roles); err != nil {
			return err
		}
		if err := s.setTrust(tx, &role, r.AssumeRolePolicyDocument); err != nil {
			return err
		}
		if err := s.limitBy(tx, roleEntity(role), role.Boundary, iamapi.InvalidInputException); err != nil {
			return err
		}
		return store.Roles.Put(tx, nameKey(role.Name), role)
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.CreateRoleResponse{Role: s.wholeRole(role, role.Trust)}, nil
}

// GetRole answers one role.
func (s *Service) GetRole(ctx context.Context, r *iamapi.GetRoleRequest) (*iamapi.GetRoleResponse, error) {
	var role chime.Role
	var trust string
	err := s.store.View(ctx, "", func(reader store.Reader) (err error) {
		if role, err = getRole(reader, r.RoleName); err == nil {
			trust, err = s.shownTrust(reader, role)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	whole := s.wholeRole(role, trust)
	whole.RoleLastUsed = new(iamapi.RoleLastUsed) // not known
	return &iamapi.GetRoleResponse{Role: whole}, nil
}

// ListRoles lists without tags and boundaries, as AWS does.
func (s *Service) ListRoles(ctx context.Context, r *iamapi.ListRolesRequest) (*iamapi.ListRolesResponse, error) {
	prefix := valueOr(r.PathPrefix, "/")
	p, err := newPage[iamapi.Role]("ListRoles "+prefix, r.Marker, r.MaxItems)
	if err != nil {
		return nil, err
	}

	err = s.store.View(ctx, "", func(reader store.Reader) error {
		return store.Roles.Each(reader, p.from(store.K()), func(_ store.Key, role chime.Role) (bool, error) {
			if !strings.HasPrefix(role.Path, prefix) {
				return true, nil
			}
			trust, err := s.shownTrust(reader, role)
			return err == nil && p.add(strings.ToLower(role.Name), s.role(role, trust)), err
		})
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListRolesResponse{Roles: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

// UpdateRole changes what is given and leaves the rest.
func (s *Service) UpdateRole(ctx context.Context, r *iamapi.UpdateRoleRequest) (*iamapi.UpdateRoleResponse, error) {
	return nil, s.changeRole(ctx, r.RoleName, func(role *chime.Role) error {
		role.Description = valueOr(r.Description, role.Description)
		role.MaxSession = valueOr(r.MaxSessionDuration, role.MaxSession)
		return nil
	})
}

// UpdateAssumeRolePolicy replaces the trust policy. Sessions that there are go on.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, r *iamapi.UpdateAssumeRolePolicyRequest) (*iamapi.UpdateAssumeRolePolicyResponse, error) {
	if err := checkTrust(r.PolicyDocument); err != nil {
		return nil, err
	}
	return nil, s.changeRoleIn(ctx, r.RoleName, func(tx store.Tx, role *chime.Role) error {
		return s.setTrust(tx, role, r.PolicyDocument)
	})
}

// DeleteRole deletes a role that has no policies any more. Its sessions end.
func (s *Service) DeleteRole(ctx context.Context, r *iamapi.DeleteRoleRequest) (*iamapi.DeleteRoleResponse, error) {
	return nil, s.change(ctx, func(tx store.Tx) error {
		role, err := getRole(tx, r.RoleName)
		if err != nil {
			return err
		}
		if err := requireBare(tx, roleEntity(role)); err != nil {
			return err
		}

		if err := unlimit(tx, roleEntity(role), role.Boundary); err != nil {
			return err
		}
		if err := count(tx, countRoles, -1, 0); err != nil {
			return err
		}
		return store.Roles.Delete(tx, nameKey(role.Name))
	})
}

// ListInstanceProfilesForRole answers that there are none: tools call it before they delete a role.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, r *iamapi.ListInstanceProfilesForRoleRequest) (*iamapi.ListInstanceProfilesForRoleResponse, error) {
	if _, err := newPage[iamapi.InstanceProfile]("ListInstanceProfilesForRole", r.Marker, r.MaxItems); err != nil {
		return nil, err
	}
	err := s.store.View(ctx, "", func(reader store.Reader) error {
		_, err := getRole(reader, r.RoleName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListInstanceProfilesForRoleResponse{}, nil
}

func getRole(r store.Reader, name string) (chime.Role, error) {
	role, found, err := store.Roles.Get(r, nameKey(name))
	if err == nil && !found {
		err = notFound("role", name)
	}
	return role, err
}

// changeRole applies f to the stored role.
func (s *Service) changeRole(ctx context.Context, name string, f func(*chime.Role) error) error {
	return s.changeRoleIn(ctx, name, func(_ store.Tx, role *chime.Role) error { return f(role) })
}

// changeRoleIn does so for an f that needs the transaction.
func (s *Service) changeRoleIn(ctx context.Context, name string, f func(store.Tx, *chime.Role) error) error {
	return s.change(ctx, func(tx store.Tx) error {
		role, err := getRole(tx, name)
		if err != nil {
			return err
		}
		if err := f(tx, &role); err != nil {
			return err
		}
		return store.Roles.Put(tx, nameKey(name), role)
	})
}

func roleEntity(role chime.Role) chime.Entity {
	return chime.Entity{Kind: chime.EntityRole, Name: role.Name, ID: role.ID}
}

// role returns a role as lists show it, with the trust policy as it is shown.
func (s *Service) role(r chime.Role, trust string) iamapi.Role {
	return iamapi.Role{
		Path: r.Path, RoleName: r.Name, RoleID: r.ID, ARN: grants.RoleARN(s.site, r), CreateDate: r.Created.Time(),
		AssumeRolePolicyDocument: escaped(trust), Description: r.Description, MaxSessionDuration: r.MaxSession,
	}
}

func (s *Service) wholeRole(r chime.Role, trust string) *iamapi.Role {
	whole := s.role(r, trust)
	whole.PermissionsBoundary, whole.Tags = wireBoundary(r.Boundary), wireTags(r.Tags)
	return &whole
}

// UpdateRoleDescription is UpdateRole for the description alone.
func (s *Service) UpdateRoleDescription(ctx context.Context, r *iamapi.UpdateRoleDescriptionRequest) (*iamapi.UpdateRoleDescriptionResponse, error) {
	var changed chime.Role
	var trust string
	err := s.changeRoleIn(ctx, r.RoleName, func(tx store.Tx, role *chime.Role) (err error) {
		role.Description = valueOr(r.Description, "")
		changed = *role
		trust, err = s.shownTrust(tx, changed)
		return err
	})
	if err != nil {
		return nil, err
	}

	return &iamapi.UpdateRoleDescriptionResponse{Role: &iamapi.Role{
		Path: changed.Path, RoleName: changed.Name, RoleID: changed.ID, ARN: grants.RoleARN(s.site, changed),
		CreateDate: changed.Created.Time(), AssumeRolePolicyDocument: escaped(trust),
		Description: changed.Description, MaxSessionDuration: changed.MaxSession,
	}}, nil
}
