package iam

import (
	"context"
	"slices"

	wire "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/iamtools"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/store"
)

// What Terraform calls in addition, to change or delete what it made.

var _ iamtools.Handler = (*Service)(nil)

// ListGroupsForUser answers that there are none: Terraform calls it before it deletes a user.
func (s *Service) ListGroupsForUser(ctx context.Context, r *iamtools.ListGroupsForUserRequest) (*iamtools.ListGroupsForUserResponse, error) {
	if _, err := newPage[iamtools.Group]("ListGroupsForUser", r.Marker, r.MaxItems); err != nil {
		return nil, err
	}
	err := s.store.View(ctx, "", func(reader store.Reader) error {
		_, err := getUser(reader, r.UserName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iamtools.ListGroupsForUserResponse{}, nil
}

// UpdateRoleDescription is UpdateRole for the description alone.
func (s *Service) UpdateRoleDescription(ctx context.Context, r *iamtools.UpdateRoleDescriptionRequest) (*iamtools.UpdateRoleDescriptionResponse, error) {
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

	return &iamtools.UpdateRoleDescriptionResponse{Role: &iamtools.Role{
		Path: changed.Path, RoleName: changed.Name, RoleID: changed.ID, ARN: grants.RoleARN(s.site, changed),
		CreateDate: changed.Created.Time(), AssumeRolePolicyDocument: escaped(trust),
		Description: changed.Description, MaxSessionDuration: changed.MaxSession,
	}}, nil
}

// PutUserPermissionsBoundary sets what limits a user.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, r *iamtools.PutUserPermissionsBoundaryRequest) (*iamtools.PutUserPermissionsBoundaryResponse, error) {
	return nil, s.setUserBoundary(ctx, r.UserName, r.PermissionsBoundary)
}

// DeleteUserPermissionsBoundary removes what limits a user.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, r *iamtools.DeleteUserPermissionsBoundaryRequest) (*iamtools.DeleteUserPermissionsBoundaryResponse, error) {
	return nil, s.setUserBoundary(ctx, r.UserName, "")
}

func (s *Service) setUserBoundary(ctx context.Context, name, arn string) error {
	return s.changeUser(ctx, name, func(tx store.Tx, u *chime.AccountUser) error {
		return s.replaceBoundary(tx, userEntity(*u), &u.Boundary, arn)
	})
}

// PutRolePermissionsBoundary sets what limits a role.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, r *iamtools.PutRolePermissionsBoundaryRequest) (*iamtools.PutRolePermissionsBoundaryResponse, error) {
	return nil, s.setRoleBoundary(ctx, r.RoleName, r.PermissionsBoundary)
}

// DeleteRolePermissionsBoundary removes what limits a role.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, r *iamtools.DeleteRolePermissionsBoundaryRequest) (*iamtools.DeleteRolePermissionsBoundaryResponse, error) {
	return nil, s.setRoleBoundary(ctx, r.RoleName, "")
}

func (s *Service) setRoleBoundary(ctx context.Context, name, arn string) error {
	return s.changeRoleIn(ctx, name, func(tx store.Tx, role *chime.Role) error {
		return s.replaceBoundary(tx, roleEntity(*role), &role.Boundary, arn)
	})
}

// replaceBoundary sets the boundary of an entity's record; an empty ARN removes it.
func (s *Service) replaceBoundary(tx store.Tx, e chime.Entity, boundary *string, arn string) error {
	if err := unlimit(tx, e, *boundary); err != nil {
		return err
	}
	*boundary = arn
	return s.limitBy(tx, e, arn, wire.NoSuchEntityException)
}

// TagUser adds tags to a user, as TagRole does.
func (s *Service) TagUser(ctx context.Context, r *iamtools.TagUserRequest) (*iamtools.TagUserResponse, error) {
	added, err := newTags(r.Tags)
	if err != nil {
		return nil, err
	}
	return nil, s.changeUser(ctx, r.UserName, func(_ store.Tx, u *chime.AccountUser) (err error) {
		u.Tags, err = addTags(u.Tags, added, "TagsPerUser")
		return err
	})
}

// UntagUser removes tags from a user.
func (s *Service) UntagUser(ctx context.Context, r *iamtools.UntagUserRequest) (*iamtools.UntagUserResponse, error) {
	return nil, s.changeUser(ctx, r.UserName, func(_ store.Tx, u *chime.AccountUser) error {
		u.Tags = removeTags(u.Tags, r.TagKeys)
		return nil
	})
}

// TagPolicy adds tags to a policy, as TagRole does.
func (s *Service) TagPolicy(ctx context.Context, r *iamtools.TagPolicyRequest) (*iamtools.TagPolicyResponse, error) {
	added, err := newTags(r.Tags)
	if err != nil {
		return nil, err
	}
	return nil, s.changeManaged(ctx, r.PolicyARN, func(p *chime.ManagedPolicy) (err error) {
		p.Tags, err = addTags(p.Tags, added, "TagsPerPolicy")
		return err
	})
}

// UntagPolicy removes tags from a policy.
func (s *Service) UntagPolicy(ctx context.Context, r *iamtools.UntagPolicyRequest) (*iamtools.UntagPolicyResponse, error) {
	return nil, s.changeManaged(ctx, r.PolicyARN, func(p *chime.ManagedPolicy) error {
		p.Tags = removeTags(p.Tags, r.TagKeys)
		return nil
	})
}

// TagOpenIDConnectProvider adds tags to a provider, as TagRole does.
func (s *Service) TagOpenIDConnectProvider(ctx context.Context, r *iamtools.TagOpenIDConnectProviderRequest) (*iamtools.TagOpenIDConnectProviderResponse, error) {
	added, err := newTags(r.Tags)
	if err != nil {
		return nil, err
	}
	return nil, s.changeProvider(ctx, r.OpenIDConnectProviderARN, func(p *chime.OIDCProvider) (err error) {
		p.Tags, err = addTags(p.Tags, added, "TagsPerOpenIDConnectProvider")
		return err
	})
}

// UntagOpenIDConnectProvider removes tags from a provider.
func (s *Service) UntagOpenIDConnectProvider(ctx context.Context, r *iamtools.UntagOpenIDConnectProviderRequest) (*iamtools.UntagOpenIDConnectProviderResponse, error) {
	return nil, s.changeProvider(ctx, r.OpenIDConnectProviderARN, func(p *chime.OIDCProvider) error {
		p.Tags = removeTags(p.Tags, r.TagKeys)
		return nil
	})
}

// AddClientIDToOpenIDConnectProvider lets a provider's tokens be for one more client; again it
// changes nothing.
func (s *Service) AddClientIDToOpenIDConnectProvider(ctx context.Context, r *iamtools.AddClientIDToOpenIDConnectProviderRequest) (*iamtools.AddClientIDToOpenIDConnectProviderResponse, error) {
	return nil, s.changeProvider(ctx, r.OpenIDConnectProviderARN, func(p *chime.OIDCProvider) error {
		p.ClientIDs = distinct(append(p.ClientIDs, r.ClientID))
		return checkClientIDs(p.ClientIDs)
	})
}

// RemoveClientIDFromOpenIDConnectProvider refuses a provider's tokens for a client from then on;
// for one
// that is not listed it returns nil.
func (s *Service) RemoveClientIDFromOpenIDConnectProvider(ctx context.Context, r *iamtools.RemoveClientIDFromOpenIDConnectProviderRequest) (*iamtools.RemoveClientIDFromOpenIDConnectProviderResponse, error) {
	return nil, s.changeProvider(ctx, r.OpenIDConnectProviderARN, func(p *chime.OIDCProvider) error {
		p.ClientIDs = slices.DeleteFunc(p.ClientIDs, func(id string) bool { return id == r.ClientID })
		return nil
	})
}

// UpdateOpenIDConnectProviderThumbprint replaces the thumbprints of a provider.
func (s *Service) UpdateOpenIDConnectProviderThumbprint(ctx context.Context, r *iamtools.UpdateOpenIDConnectProviderThumbprintRequest) (*iamtools.UpdateOpenIDConnectProviderThumbprintResponse, error) {
	if err := checkThumbprints(r.ThumbprintList); err != nil {
		return nil, err
	}
	return nil, s.changeProvider(ctx, r.OpenIDConnectProviderARN, func(p *chime.OIDCProvider) error {
		p.Thumbprints = distinct(r.ThumbprintList)
		return nil
	})
}
