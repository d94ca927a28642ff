package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	maxTags     = 50     // of one entity
	reservedTag = "aws:" // in any case: what AWS keeps for itself
)

// TagRole adds tags to a role; a key that is there, in any case, gets the new spelling and value.
func (s *Service) TagRole(ctx context.Context, r *wire.TagRoleRequest) (*wire.TagRoleResponse, error) {
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
func (s *Service) UntagRole(ctx context.Context, r *wire.UntagRoleRequest) (*wire.UntagRoleResponse, error) {
	return nil, s.changeRole(ctx, r.RoleName, func(role *chime.Role) error {
		role.Tags = removeTags(role.Tags, r.TagKeys)
		return nil
	})
}

// ListRoleTags lists the tags of a role in the order of their keys.
func (s *Service) ListRoleTags(ctx context.Context, r *wire.ListRoleTagsRequest) (*wire.ListRoleTagsResponse, error) {
	p, err := newPage[wire.Tag]("ListRoleTags "+strings.ToLower(r.RoleName), r.Marker, r.MaxItems)
	if err != nil {
		return nil, err
	}
	err = s.store.View(ctx, "", func(reader store.Reader) error {
		role, err := getRole(reader, r.RoleName)
		p.addAll(wireTags(role.Tags), func(tag wire.Tag) string { return tag.Key })
		return err
	})
	if err != nil {
		return nil, err
	}
	return &wire.ListRoleTagsResponse{Tags: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

// tag is a tag of either part of the API.
type tag interface {
	~struct {
		Key   string
		Value *string
	}
}

// newTags checks the tags that a request gives to an entity.
func newTags[T tag](tags []T) ([]chime.Tag, error) {
	var kept []chime.Tag
	for _, given := range tags {
		tag := wire.Tag(given)
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

func wireTags(tags []chime.Tag) []wire.Tag {
	var list []wire.Tag
	for _, tag := range tags {
		list = append(list, wire.Tag{Key: tag.Key, Value: &tag.Value})
	}
	return list
}

// invalid refuses a request because of one member.
func invalid(member, format string, args ...any) error {
	e := api.BadRequest(member, format, args...)
	e.Type, e.Code = wire.InvalidInputException.Type, wire.InvalidInputException.Code
	return e
}
