package iam

import (
	"context"
	"strings"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/store"
)

const maxAttached = 10 // policies to one entity

// AttachUserPolicy gives a managed policy to a user; again it changes nothing.
func (s *Service) AttachUserPolicy(ctx context.Context, r *iamapi.AttachUserPolicyRequest) (*iamapi.AttachUserPolicyResponse, error) {
	return nil, s.attach(ctx, chime.EntityUser, r.UserName, r.PolicyARN, "PoliciesPerUser")
}

// AttachRolePolicy gives a managed policy to a role; again it changes nothing.
func (s *Service) AttachRolePolicy(ctx context.Context, r *iamapi.AttachRolePolicyRequest) (*iamapi.AttachRolePolicyResponse, error) {
	return nil, s.attach(ctx, chime.EntityRole, r.RoleName, r.PolicyARN, "PoliciesPerRole")
}

// attach attaches a policy to an entity; attaching it again changes nothing.
func (s *Service) attach(ctx context.Context, kind, name, arn, quotaName string) error {
	return s.change(ctx, func(tx store.Tx) error {
		e, err := getEntity(tx, kind, name)
		if err != nil {
			return err
		}
		m, err := s.getManaged(tx, arn)
		if err != nil {
			return err
		}

		already, err := store.Attachments.Has(tx, ownKey(e).Str(m.ARN))
		if err != nil || already {
			return err
		}

		n, err := countAll(tx, store.Attachments, ownKey(e))
		if err != nil {
			return err
		}
		if n >= maxAttached {
			return quota(quotaName, maxAttached)
		}

		if err := store.Attachments.Put(tx, ownKey(e).Str(m.ARN), m.ARN); err != nil {
			return err
		}
		return store.AttachmentsOf.Put(tx, store.K(m.ARN, kind, strings.ToLower(e.Name)), e)
	})
}

// DetachUserPolicy takes a managed policy from a user.
func (s *Service) DetachUserPolicy(ctx context.Context, r *iamapi.DetachUserPolicyRequest) (*iamapi.DetachUserPolicyResponse, error) {
	return nil, s.detach(ctx, chime.EntityUser, r.UserName, r.PolicyARN)
}

// DetachRolePolicy takes a managed policy from a role.
func (s *Service) DetachRolePolicy(ctx context.Context, r *iamapi.DetachRolePolicyRequest) (*iamapi.DetachRolePolicyResponse, error) {
	return nil, s.detach(ctx, chime.EntityRole, r.RoleName, r.PolicyARN)
}

// detach detaches a policy from an entity.
func (s *Service) detach(ctx context.Context, kind, name, arn string) error {
	if !isPolicyARN(arn) {
		return invalid("PolicyArn", "%s is not the ARN of a policy", arn)
	}
	return s.change(ctx, func(tx store.Tx) error {
		e, err := getEntity(tx, kind, name)
		if err != nil {
			return err
		}

		attached, err := store.Attachments.Has(tx, ownKey(e).Str(arn))
		if err != nil {
			return err
		}
		if !attached {
			return iamapi.NoSuchEntityException.Errorf("Policy %s was not found.", arn)
		}

		if err := store.Attachments.Delete(tx, ownKey(e).Str(arn)); err != nil {
			return err
		}
		return store.AttachmentsOf.Delete(tx, store.K(arn, kind, strings.ToLower(e.Name)))
	})
}

// ListAttachedUserPolicies lists the managed policies of a user.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, r *iamapi.ListAttachedUserPoliciesRequest) (*iamapi.ListAttachedUserPoliciesResponse, error) {
	p, err := s.listAttached(ctx, chime.EntityUser, r.UserName, valueOr(r.PathPrefix, "/"), r.Marker, r.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListAttachedUserPoliciesResponse{AttachedPolicies: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

// ListAttachedRolePolicies lists the managed policies of a role.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, r *iamapi.ListAttachedRolePoliciesRequest) (*iamapi.ListAttachedRolePoliciesResponse, error) {
	p, err := s.listAttached(ctx, chime.EntityRole, r.RoleName, valueOr(r.PathPrefix, "/"), r.Marker, r.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListAttachedRolePoliciesResponse{AttachedPolicies: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

// listAttached lists the policies of an entity below a path.
func (s *Service) listAttached(ctx context.Context, kind, name, prefix string, marker *string, maxItems *int) (*page[iamapi.AttachedPolicy], error) {
	p, err := newPage[iamapi.AttachedPolicy]("attached policies "+kind+" "+strings.ToLower(name)+" "+prefix, marker, maxItems)
	if err != nil {
		return nil, err
	}

	err = s.store.View(ctx, "", func(r store.Reader) error {
		e, err := getEntity(r, kind, name)
		if err != nil {
			return err
		}

		var all []iamapi.AttachedPolicy
		err = store.Attachments.Each(r, store.Prefix(ownKey(e)), func(_ store.Key, arn string) (bool, error) {
			m, found, err := grants.LoadManaged(r, s.site, arn)
			if found && strings.HasPrefix(m.Path, prefix) {
				all = append(all, iamapi.AttachedPolicy{PolicyName: m.Name, PolicyARN: m.ARN})
			}
			return err == nil, err
		})

		p.addAll(all, func(a iamapi.AttachedPolicy) string { return strings.ToLower(a.PolicyName) + " " + a.PolicyARN })
		return err
	})
	return p, err
}
