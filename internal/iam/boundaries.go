package iam

import (
	"context"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// PutUserPermissionsBoundary sets what limits a user.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, r *iamapi.PutUserPermissionsBoundaryRequest) (*iamapi.PutUserPermissionsBoundaryResponse, error) {
	return nil, s.setUserBoundary(ctx, r.UserName, r.PermissionsBoundary)
}

// DeleteUserPermissionsBoundary removes what limits a user.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, r *iamapi.DeleteUserPermissionsBoundaryRequest) (*iamapi.DeleteUserPermissionsBoundaryResponse, error) {
	return nil, s.setUserBoundary(ctx, r.UserName, "")
}

func (s *Service) setUserBoundary(ctx context.Context, name, arn string) error {
	return s.changeUser(ctx, name, func(tx store.Tx, u *chime.AccountUser) error {
		return s.replaceBoundary(tx, userEntity(*u), &u.Boundary, arn)
	})
}

// PutRolePermissionsBoundary sets what limits a role.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, r *iamapi.PutRolePermissionsBoundaryRequest) (*iamapi.PutRolePermissionsBoundaryResponse, error) {
	return nil, s.setRoleBoundary(ctx, r.RoleName, r.PermissionsBoundary)
}

// DeleteRolePermissionsBoundary removes what limits a role.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, r *iamapi.DeleteRolePermissionsBoundaryRequest) (*iamapi.DeleteRolePermissionsBoundaryResponse, error) {
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
	return s.limitBy(tx, e, arn, iamapi.NoSuchEntityException)
}
