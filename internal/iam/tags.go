package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	maxTags     = 50     // of one entity
	reservedTag = "aws:" // in any case: what AWS keeps for itself
)

// TagRole adds tags to a role; a key that is there, in any case, gets the new spelling and value.
func (s *Service) TagRole(ctx context.Context, r *iamapi.TagRoleRequest) (*iamapi.TagRoleResponse, error) {
	added, err := newTags(r.Tags)
	if err != nil {
		return nil, err
	}
	return nil, s.changeRole(ctx, r.RoleName, func(role *chime.Role) (err error) {
		role.Tags, err = addTags(role.Tags, added, "TagsPerRole")
		return err
	})
}

// UntagRole removes tags from a role; keys without a tag do no harm.
func (s *Service) UntagRole(ctx context.Context, r *iamapi.UntagRoleRequest) (*iamapi.UntagRoleResponse, error) {
	return nil, s.changeRole(ctx, r.RoleName, func(role *chime.Role) error {
		role.Tags = removeTags(role.Tags, r.TagKeys)
		return nil
	})
}

// TagUser adds tags to a user, as TagRole does.
func (s *Service) TagUser(ctx context.Context, r *iamapi.TagUserRequest) (*iamapi.TagUserResponse, error) {
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
func (s *Service) UntagUser(ctx context.Context, r *iamapi.UntagUserRequest) (*iamapi.UntagUserResponse, error) {
	return nil, s.changeUser(ctx, r.UserName, func(_ store.Tx, u *chime.AccountUser) error {
		u.Tags = removeTags(u.Tags, r.TagKeys)
		return nil
	})
}

// TagPolicy adds tags to a policy, as TagRole does.
func (s *Service) TagPolicy(ctx context.Context, r *iamapi.TagPolicyRequest) (*iamapi.TagPolicyResponse, error) {
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
func (s *Service) UntagPolicy(ctx context.Context, r *iamapi.UntagPolicyRequest) (*iamapi.UntagPolicyResponse, error) {
	return nil, s.changeManaged(ctx, r.PolicyARN, func(p *chime.ManagedPolicy) error {
		p.Tags = removeTags(p.Tags, r.TagKeys)
		return nil
	})
}

// TagOpenIDConnectProvider adds tags to a provider, as TagRole does.
func (s *Service) TagOpenIDConnectProvider(ctx context.Context, r *iamapi.TagOpenIDConnectProviderRequest) (*iamapi.TagOpenIDConnectProviderResponse, error) {
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
func (s *Service) UntagOpenIDConnectProvider(ctx context.Context, r *iamapi.UntagOpenIDConnectProviderRequest) (*iamapi.UntagOpenIDConnectProviderResponse, error) {
	return nil, s.changeProvider(ctx, r.OpenIDConnectProviderARN, func(p *chime.OIDCProvider) error {
		p.Tags = removeTags(p.Tags, r.TagKeys)
		return nil
	})
}

// ListRoleTags lists the tags of a role in the order of their keys.
func (s *Service) ListRoleTags(ctx context.Context, r *iamapi.ListRoleTagsRequest) (*iamapi.ListRoleTagsResponse, error) {
	p, err := newPage[iamapi.Tag]("ListRoleTags "+strings.ToLower(r.RoleName), r.Marker, r.MaxItems)
	if err != nil {
		return nil, err
	}
	err = s.store.View(ctx, "", func(reader store.Reader) error {
		role, err := getRole(reader, r.RoleName)
		p.addAll(wireTags(role.Tags), func(tag iamapi.Tag) string { return tag.Key })
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListRoleTagsResponse{Tags: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

// newTags checks the tags that a request gives to an entity.
func newTags(tags []iamapi.Tag) ([]chime.Tag, error) {
	var kept []chime.Tag
	for _, tag := range tags {
		if len(tag.Key) >= len(reservedTag) && strings.EqualFold(tag.Key[:len(reservedTag)], reservedTag) {
			return nil, invalid("Tags", "a Key must not begin with %s", reservedTag)
		}
		if indexTag(kept, tag.Key) >= 0 {
			return nil, invalid("Tags", "a Key is given twice; their case does not count")
		}
		kept = append(kept, chime.Tag{Key: tag.Key, Value: valueOr(tag.Value, "")})
	}
	return kept, nil
}

// addTags is all with the tags added or replaced.
func addTags(all, added []chime.Tag, quotaName string) ([]chime.Tag, error) {
	for _, tag := range added {
		if i := indexTag(all, tag.Key); i >= 0 {
			all[i] = tag
		} else {
			all = append(all, tag)
		}
	}
	if len(all) > maxTags {
		return nil, quota(quotaName, maxTags)
	}
	return all, nil
}

func removeTags(all []chime.Tag, keys []string) []chime.Tag {
	return slices.DeleteFunc(all, func(tag chime.Tag) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return strings.EqualFold(key, tag.Key) })
	})
}

func indexTag(tags []chime.Tag, key string) int {
	return slices.IndexFunc(tags, func(tag chime.Tag) bool { return strings.EqualFold(tag.Key, key) })
}

func wireTags(tags []chime.Tag) []iamapi.Tag {
	var list []iamapi.Tag
	for _, tag := range tags {
		list = append(list, iamapi.Tag{Key: tag.Key, Value: &tag.Value})
	}
	return list
}

// invalid refuses a request because of one member.
func invalid(member, format string, args ...any) error {
	e := api.BadRequest(member, format, args...)
	e.Type, e.Code = iamapi.InvalidInputException.Type, iamapi.InvalidInputException.Code
	return e
}
