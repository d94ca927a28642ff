package sts

import (
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
)

const maxSessionTags = 50

func lower(s string) string { return strings.ToLower(s) }

// chained returns the tags that the session will have, and the keys of those that are
// transitive: the caller's own transitive ones, which cannot be replaced, and those of the request.
func chained(p *access.Principal, r *wire.AssumeRoleRequest) (tags []chime.Tag, transitive []string, err error) {
	// What the calling session passes on comes first, so that the request cannot replace it.
	for _, tag := range p.SessionTags {
		if holds(p.Transitive, tag.Key) {
			tags, transitive = append(tags, tag), append(transitive, tag.Key)
		}
	}

	inherited := slices.Clone(transitive)
	for _, tag := range r.Tags {
		if holds(inherited, tag.Key) {
			return nil, nil, invalid("Tags", "replaces the transitive tag %s of the calling session", tag.Key)
		}
		tags = append(tags, chime.Tag{Key: tag.Key, Value: *tag.Value})
	}

	for _, key := range r.TransitiveTagKeys {
		if !slices.ContainsFunc(r.Tags, func(t wire.Tag) bool { return strings.EqualFold(t.Key, key) }) {
			return nil, nil, invalid("TransitiveTagKeys", "names %s, which is not among the tags", key)
		}
		if !holds(transitive, key) {
			transitive = append(transitive, key)
		}
	}

	if err := checkTags(tags); err != nil {
		return nil, nil, err
	}
	return tags, transitive, nil
}

// checkTags refuses what the constraints of single members do not.
func checkTags(tags []chime.Tag) *api.Error {
	if len(tags) > maxSessionTags {
		return invalid("Tags", "has more than %d elements, those of the calling session included", maxSessionTags)
	}
	var keys []string
	for _, tag := range tags {
		if holds(keys, tag.Key) {
			return invalid("Tags", "has the key %s twice; case makes no difference", tag.Key)
		}
		if strings.HasPrefix(lower(tag.Key), "aws:") {
			return invalid("Tags", "has the key %s, but keys that begin with aws: are reserved", tag.Key)
		}
		keys = append(keys, tag.Key)
	}
	return nil
}

// holds reports whether a key is among others, in any case.
func holds(keys []string, key string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, key) })
}
