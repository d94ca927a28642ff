package iam

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

const maxVersions = 5 // of one policy

// versionID is how the API calls a version: v3.
func versionID(number int) string { return "v" + strconv.Itoa(number) }

// CreatePolicyVersion adds a text to a policy, and puts it into force if the request says so.
func (s *Service) CreatePolicyVersion(ctx context.Context, r *iamapi.CreatePolicyVersionRequest) (*iamapi.CreatePolicyVersionResponse, error) {
	if err := checkManaged(r.PolicyDocument); err != nil {
		return nil, err
	}

	var made chime.PolicyVersion
	err := s.changeManaged(ctx, r.PolicyARN, func(p *chime.ManagedPolicy) error {
		if len(p.Versions) >= maxVersions {
			return iamapi.LimitExceededException.Errorf("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		p.Latest++
		made = chime.PolicyVersion{Number: p.Latest, Document: r.PolicyDocument, Created: s.now()}
		p.Versions, p.Updated = append(p.Versions, made), made.Created
		if r.SetAsDefault {
			p.Default = made.Number
		}
		return nil
	})
	if err != nil {
		return nil, err
	}

	answer := wireVersion(made, r.SetAsDefault)
	return &iamapi.CreatePolicyVersionResponse{PolicyVersion: &answer}, nil
}

// GetPolicyVersion answers a version with its document.
func (s *Service) GetPolicyVersion(ctx context.Context, r *iamapi.GetPolicyVersionRequest) (*iamapi.GetPolicyVersionResponse, error) {
	var answer iamapi.PolicyVersion
	err := s.store.View(ctx, "", func(reader store.Reader) error {
		m, err := s.getManaged(reader, r.PolicyARN)
		if err != nil {
			return err
		}
		i, err := indexVersion(&m.ManagedPolicy, r.VersionID)
		if err != nil {
			return err
		}
		answer = wireVersion(m.Versions[i], m.Versions[i].Number == m.Default)
		answer.Document = escaped(m.Versions[i].Document)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.GetPolicyVersionResponse{PolicyVersion: &answer}, nil
}

// ListPolicyVersions lists the newest first, without documents.
func (s *Service) ListPolicyVersions(ctx context.Context, r *iamapi.ListPolicyVersionsRequest) (*iamapi.ListPolicyVersionsResponse, error) {
	p, err := newPage[iamapi.PolicyVersion]("ListPolicyVersions "+r.PolicyARN, r.Marker, r.MaxItems)
	if err != nil {
		return nil, err
	}
	err = s.store.View(ctx, "", func(reader store.Reader) error {
		m, err := s.getManaged(reader, r.PolicyARN)
		if err != nil {
			return err
		}
		for _, v := range slices.Backward(m.Versions) {
			p.add(fmt.Sprintf("%019d", uint64(1<<62)-uint64(v.Number)), wireVersion(v, v.Number == m.Default))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListPolicyVersionsResponse{Versions: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

// SetDefaultPolicyVersion puts a version into force, for every entity that the policy is attached
// to.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, r *iamapi.SetDefaultPolicyVersionRequest) (*iamapi.SetDefaultPolicyVersionResponse, error) {
	return nil, s.changeManaged(ctx, r.PolicyARN, func(p *chime.ManagedPolicy) error {
		i, err := indexVersion(p, r.VersionID)
		if err != nil {
			return err
		}
		p.Default, p.Updated = p.Versions[i].Number, s.now()
		return nil
	})
}

// DeletePolicyVersion deletes a version that is not in force. Its number does not come again.
func (s *Service) DeletePolicyVersion(ctx context.Context, r *iamapi.DeletePolicyVersionRequest) (*iamapi.DeletePolicyVersionResponse, error) {
	return nil, s.changeManaged(ctx, r.PolicyARN, func(p *chime.ManagedPolicy) error {
		i, err := indexVersion(p, r.VersionID)
		if err != nil {
			return err
		}
		if p.Versions[i].Number == p.Default {
			return iamapi.DeleteConflictException.Errorf("Cannot delete the default version of a policy.")
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	})
}

// indexVersion finds a version by its id.
func indexVersion(p *chime.ManagedPolicy, id string) (int, error) {
	number, err := strconv.Atoi(strings.TrimPrefix(id, "v"))
	i := slices.IndexFunc(p.Versions, func(v chime.PolicyVersion) bool { return v.Number == number })
	if err != nil || i < 0 {
		return 0, iamapi.NoSuchEntityException.Errorf("Policy %s version %s does not exist.", p.Name, id)
	}
	return i, nil
}

// wireVersion returns a version as lists show it.
func wireVersion(v chime.PolicyVersion, inForce bool) iamapi.PolicyVersion {
	return iamapi.PolicyVersion{VersionID: versionID(v.Number), IsDefaultVersion: inForce, CreateDate: v.Created.Optional()}
}
