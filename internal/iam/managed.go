package iam

import (
	"context"
	"strconv"
	"strings"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreatePolicy makes a managed policy with one version.
func (s *Service) CreatePolicy(ctx context.Context, r *iamapi.CreatePolicyRequest) (*iamapi.CreatePolicyResponse, error) {
	// What can be refused without a transaction is.
	if err := checkManaged(r.PolicyDocument); err != nil {
		return nil, err
	}
	tags, err := newTags(r.Tags)
	if err != nil {
		return nil, err
	}
	id, err := s.newID(prefixPolicy, idLen)
	if err != nil {
		return nil, err
	}

	now := s.now()
	p := chime.ManagedPolicy{
		Name: r.PolicyName, ID: id, Path: valueOr(r.Path, "/"), Description: valueOr(r.Description, ""), Default: 1, Latest: 1,
		Versions: []chime.PolicyVersion{{Number: 1, Document: r.PolicyDocument, Created: now}},
		Created:  now, Updated: now, Tags: tags,
	}

	// The name and the quota are taken together with the policy.
	err = s.change(ctx, func(tx store.Tx) error {
		taken, err := store.Policies.Has(tx, nameKey(p.Name))
		if err != nil {
			return err
		}
		if taken {
			return iamapi.EntityAlreadyExistsException.Errorf("A policy called %s already exists. Duplicate names are not allowed.", p.Name)
		}
		if err := count(tx, countPolicies, 1, s.limits.Policies); err != nil {
			return err
		}
		return store.Policies.Put(tx, nameKey(p.Name), p)
	})
	if err != nil {
		return nil, err
	}

	made := wirePolicy(s.managed(p), usage{})
	made.Tags = wireTags(p.Tags)
	return &iamapi.CreatePolicyResponse{Policy: &made}, nil
}

func (s *Service) managed(p chime.ManagedPolicy) grants.Managed {
	return grants.Managed{ManagedPolicy: p, ARN: grants.PolicyARN(s.site, p)}
}

// GetPolicy answers a policy without its documents.
func (s *Service) GetPolicy(ctx context.Context, r *iamapi.GetPolicyRequest) (*iamapi.GetPolicyResponse, error) {
	var answer iamapi.Policy
	err := s.store.View(ctx, "", func(reader store.Reader) error {
		m, err := s.getManaged(reader, r.PolicyARN)
		if err != nil {
			return err
		}
		used, err := usageOf(reader, m.ARN)
		answer = wirePolicy(m, used)
		answer.Description, answer.Tags = m.Description, wireTags(m.Tags)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.GetPolicyResponse{Policy: &answer}, nil
}

// ListPolicies lists the built-in policies first, then the account's own, without descriptions and
// tags, as AWS does.
func (s *Service) ListPolicies(ctx context.Context, r *iamapi.ListPoliciesRequest) (*iamapi.ListPoliciesResponse, error) {
	l := policyList{prefix: valueOr(r.PathPrefix, "/"), attached: r.OnlyAttached, usage: r.PolicyUsageFilter}
	scope := strings.Join([]string{"ListPolicies", string(r.Scope), strconv.FormatBool(r.OnlyAttached), string(r.PolicyUsageFilter), l.prefix}, " ")
	var err error
	if l.page, err = newPage[iamapi.Policy](scope, r.Marker, r.MaxItems); err != nil {
		return nil, err
	}

	err = s.store.View(ctx, "", func(reader store.Reader) error {
		if r.Scope != iamapi.PolicyScopeTypeLocal {
			for _, m := range grants.BuiltIn() {
				if more, err := l.add(reader, builtInPart+strings.ToLower(m.Name), m); err != nil || !more {
					return err
				}
			}
		}

		if r.Scope == iamapi.PolicyScopeTypeAws {
			return nil
		}
		return store.Policies.Each(reader, l.own(), func(_ store.Key, p chime.ManagedPolicy) (bool, error) {
			return l.add(reader, ownPart+strings.ToLower(p.Name), s.managed(p))
		})
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListPoliciesResponse{Policies: l.page.items, IsTruncated: l.page.truncated, Marker: l.page.marker()}, nil
}

// The keys of the list begin with the part of it that a policy belongs to.
const (
	builtInPart = "1"
	ownPart     = "2"
)

type policyList struct {
	page     *page[iamapi.Policy]
	prefix   string
	attached bool
	usage    iamapi.PolicyUsageType
}

// own is the range of the account's own policies that the page may be about.
func (l *policyList) own() store.Range {
	r := store.Prefix(store.K())
	if name, ok := strings.CutPrefix(l.page.after, ownPart); ok {
		r.From = store.K(name)
	}
	return r
}

func (l *policyList) add(r store.Reader, key string, m grants.Managed) (more bool, err error) {
	if !strings.HasPrefix(m.Path, l.prefix) {
		return true, nil
	}
	used, err := usageOf(r, m.ARN)
	if err != nil {
		return false, err
	}
	switch {
	case l.attached && used.attached == 0 && used.limiting == 0,
		l.usage == iamapi.PolicyUsageTypePermissionsPolicy && used.attached == 0,
		l.usage == iamapi.PolicyUsageTypePermissionsBoundary && used.limiting == 0:
		return true, nil
	}
	return l.page.add(key, wirePolicy(m, used)), nil
}

// DeletePolicy deletes a policy that is not attached and has one version left.
func (s *Service) DeletePolicy(ctx context.Context, r *iamapi.DeletePolicyRequest) (*iamapi.DeletePolicyResponse, error) {
	return nil, s.change(ctx, func(tx store.Tx) error {
		m, err := s.getOwn(tx, r.PolicyARN)
		if err != nil {
			return err
		}

		used, err := store.AttachmentsOf.HasPrefix(tx, store.K(m.ARN))
		if err != nil {
			return err
		}
		if used {
			return iamapi.DeleteConflictException.Errorf("Cannot delete a policy attached to entities, or limiting them.")
		}

		if len(m.Versions) > 1 {
			return iamapi.DeleteConflictException.Errorf("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}

		if err := count(tx, countPolicies, -1, 0); err != nil {
			return err
		}
		return store.Policies.Delete(tx, nameKey(m.Name))
	})
}

// getManaged reads a policy by its ARN.
func (s *Service) getManaged(r store.Reader, arn string) (grants.Managed, error) {
	if !isPolicyARN(arn) {
		return grants.Managed{}, invalid("PolicyArn", "%s is not the ARN of a policy", arn)
	}
	m, found, err := grants.LoadManaged(r, s.site, arn)
	if err == nil && !found {
		err = iamapi.NoSuchEntityException.Errorf("Policy %s was not found.", arn)
	}
	return m, err
}

// getOwn does so for a policy that is to be changed.
func (s *Service) getOwn(r store.Reader, arn string) (grants.Managed, error) {
	m, err := s.getManaged(r, arn)
	if err == nil && m.BuiltIn {
		err = invalid("PolicyArn", "%s is built in and cannot be changed", arn)
	}
	return m, err
}

func isPolicyARN(arn string) bool {
	fields := strings.SplitN(arn, ":", 6)
	return len(fields) == 6 && fields[0] == "arn" && fields[2] == "iam" && fields[3] == "" && strings.HasPrefix(fields[5], "policy/")
}

// usage is to how many entities a policy is attached and how many it limits.
type usage struct{ attached, limiting int }

func usageOf(r store.Reader, arn string) (u usage, err error) {
	for _, kind := range []string{chime.EntityUser, chime.EntityRole} {
		attached, err := countAll(r, store.AttachmentsOf, store.K(arn, kind))
		if err != nil {
			return usage{}, err
		}
		limiting, err := countAll(r, store.AttachmentsOf, store.K(arn, limitingKind(kind)))
		if err != nil {
			return usage{}, err
		}
		u.attached, u.limiting = u.attached+attached, u.limiting+limiting
	}
	return u, nil
}

// wirePolicy returns a policy as lists show it.
func wirePolicy(m grants.Managed, u usage) iamapi.Policy {
	return iamapi.Policy{
		PolicyName: m.Name, PolicyID: m.ID, ARN: m.ARN, Path: m.Path, DefaultVersionID: versionID(m.Default),
		AttachmentCount: u.attached, PermissionsBoundaryUsageCount: u.limiting, IsAttachable: true,
		CreateDate: m.Created.Optional(), UpdateDate: m.Updated.Optional(),
	}
}

// changeManaged applies f to a stored policy of the account's own.
func (s *Service) changeManaged(ctx context.Context, arn string, f func(*chime.ManagedPolicy) error) error {
	return s.change(ctx, func(tx store.Tx) error {
		m, err := s.getOwn(tx, arn)
		if err != nil {
			return err
		}
		if err := f(&m.ManagedPolicy); err != nil {
			return err
		}
		return store.Policies.Put(tx, nameKey(m.Name), m.ManagedPolicy)
	})
}
