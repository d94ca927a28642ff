package iam

import (
	"context"
	"strings"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// PutUserPolicy sets an inline policy of a user.
func (s *Service) PutUserPolicy(ctx context.Context, r *iamapi.PutUserPolicyRequest) (*iamapi.PutUserPolicyResponse, error) {
	return nil, s.putInline(ctx, chime.EntityUser, r.UserName, r.PolicyName, r.PolicyDocument, maxUserInline)
}

// PutRolePolicy sets an inline policy of a role.
func (s *Service) PutRolePolicy(ctx context.Context, r *iamapi.PutRolePolicyRequest) (*iamapi.PutRolePolicyResponse, error) {
	return nil, s.putInline(ctx, chime.EntityRole, r.RoleName, r.PolicyName, r.PolicyDocument, maxRoleInline)
}

// putInline writes an inline policy of an entity, whose documents together have a limit.
func (s *Service) putInline(ctx context.Context, kind, name, policy, document string, most int) error {
	if size(document) > most {
		return tooMuchInline(kind, name, most)
	}
	if err := checkPolicy(document); err != nil {
		return err
	}

	return s.change(ctx, func(tx store.Tx) error {
		e, err := getEntity(tx, kind, name)
		if err != nil {
			return err
		}

		total := size(document)
		err = store.InlinePolicies.Each(tx, store.Prefix(ownKey(e)), func(_ store.Key, p chime.InlinePolicy) (bool, error) {
			if p.Name != policy {
				total += size(p.Document)
			}
			return true, nil
		})
		if err != nil {
			return err
		}

		if total > most {
			return tooMuchInline(kind, e.Name, most)
		}
		return store.InlinePolicies.Put(tx, ownKey(e).Str(policy), chime.InlinePolicy{Name: policy, Document: document})
	})
}

func tooMuchInline(kind, name string, most int) error {
	return iamapi.LimitExceededException.Errorf("Maximum policy size of %d bytes exceeded for %s %s", most, kind, name)
}

// GetUserPolicy answers an inline policy of a user.
func (s *Service) GetUserPolicy(ctx context.Context, r *iamapi.GetUserPolicyRequest) (*iamapi.GetUserPolicyResponse, error) {
	e, p, err := s.readInline(ctx, chime.EntityUser, r.UserName, r.PolicyName)
	if err != nil {
		return nil, err
	}
	return &iamapi.GetUserPolicyResponse{UserName: e.Name, PolicyName: p.Name, PolicyDocument: escaped(p.Document)}, nil
}

// GetRolePolicy answers an inline policy of a role.
func (s *Service) GetRolePolicy(ctx context.Context, r *iamapi.GetRolePolicyRequest) (*iamapi.GetRolePolicyResponse, error) {
	e, p, err := s.readInline(ctx, chime.EntityRole, r.RoleName, r.PolicyName)
	if err != nil {
		return nil, err
	}
	return &iamapi.GetRolePolicyResponse{RoleName: e.Name, PolicyName: p.Name, PolicyDocument: escaped(p.Document)}, nil
}

func (s *Service) readInline(ctx context.Context, kind, name, policy string) (e chime.Entity, p chime.InlinePolicy, err error) {
	err = s.store.View(ctx, "", func(r store.Reader) error {
		if e, err = getEntity(r, kind, name); err != nil {
			return err
		}
		p, err = getInline(r, e, policy)
		return err
	})
	return e, p, err
}

func getInline(r store.Reader, e chime.Entity, policy string) (chime.InlinePolicy, error) {
	p, found, err := store.InlinePolicies.Get(r, ownKey(e).Str(policy))
	if err == nil && !found {
		err = notFound(e.Kind+" policy", policy)
	}
	return p, err
}

// ListUserPolicies lists the names of a user's inline policies.
func (s *Service) ListUserPolicies(ctx context.Context, r *iamapi.ListUserPoliciesRequest) (*iamapi.ListUserPoliciesResponse, error) {
	p, err := s.listInline(ctx, chime.EntityUser, r.UserName, r.Marker, r.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListUserPoliciesResponse{PolicyNames: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

// ListRolePolicies lists the names of a role's inline policies.
func (s *Service) ListRolePolicies(ctx context.Context, r *iamapi.ListRolePoliciesRequest) (*iamapi.ListRolePoliciesResponse, error) {
	p, err := s.listInline(ctx, chime.EntityRole, r.RoleName, r.Marker, r.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListRolePoliciesResponse{PolicyNames: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

func (s *Service) listInline(ctx context.Context, kind, name string, marker *string, maxItems *int) (*page[string], error) {
	p, err := newPage[string]("inline policies "+kind+" "+strings.ToLower(name), marker, maxItems)
	if err != nil {
		return nil, err
	}
	err = s.store.View(ctx, "", func(r store.Reader) error {
		e, err := getEntity(r, kind, name)
		if err != nil {
			return err
		}
		return store.InlinePolicies.Each(r, p.from(ownKey(e)), func(_ store.Key, policy chime.InlinePolicy) (bool, error) {
			return p.add(policy.Name, policy.Name), nil
		})
	})
	return p, err
}

// DeleteUserPolicy deletes an inline policy of a user.
func (s *Service) DeleteUserPolicy(ctx context.Context, r *iamapi.DeleteUserPolicyRequest) (*iamapi.DeleteUserPolicyResponse, error) {
	return nil, s.deleteInline(ctx, chime.EntityUser, r.UserName, r.PolicyName)
}

// DeleteRolePolicy deletes an inline policy of a role.
func (s *Service) DeleteRolePolicy(ctx context.Context, r *iamapi.DeleteRolePolicyRequest) (*iamapi.DeleteRolePolicyResponse, error) {
	return nil, s.deleteInline(ctx, chime.EntityRole, r.RoleName, r.PolicyName)
}

func (s *Service) deleteInline(ctx context.Context, kind, name, policy string) error {
	return s.change(ctx, func(tx store.Tx) error {
		e, err := getEntity(tx, kind, name)
		if err != nil {
			return err
		}
		if _, err := getInline(tx, e, policy); err != nil {
			return err
		}
		return store.InlinePolicies.Delete(tx, ownKey(e).Str(policy))
	})
}
