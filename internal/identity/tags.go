package identity

import (
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	maxTags     = 50     // of one resource (spec 8.7)
	reservedTag = "aws:" // in any case: what AWS keeps for itself
)

// PutTags adds tags to a resource that the caller knows to exist; a key that is there gets the
// new value. It refuses reserved and repeated keys with BadRequestException and more than 50
// tags in all with ResourceLimitExceededException.
func PutTags(tx store.Tx, res chime.Resource, tags []chime.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	if err := checkTags(tags); err != nil {
		return err
	}

	all, _, err := store.Tags.Get(tx, store.TagsKey(res))
	if err != nil {
		return err
	}
	for _, tag := range tags {
		if i := indexTag(all, tag.Key); i >= 0 {
			all[i] = tag
		} else {
			all = append(all, tag)
		}
	}

	if len(all) > maxTags {
		return api.ResourceLimitExceeded("a resource has at most %d tags", maxTags)
	}
	return store.Tags.Put(tx, store.TagsKey(res), all)
}

// DeleteTags removes all tags of a resource, as its deletion does.
func DeleteTags(tx store.Tx, res chime.Resource) error {
	return store.Tags.Delete(tx, store.TagsKey(res))
}

// removeTags removes the tags with the given keys; keys without a tag do no harm.
func removeTags(tx store.Tx, res chime.Resource, keys []string) error {
	tags, found, err := store.Tags.Get(tx, store.TagsKey(res))
	if err != nil || !found {
		return err
	}
	tags = slices.DeleteFunc(tags, func(tag chime.Tag) bool { return slices.Contains(keys, tag.Key) })
	if len(tags) == 0 {
		return DeleteTags(tx, res)
	}
	return store.Tags.Put(tx, store.TagsKey(res), tags)
}

func checkTags(tags []chime.Tag) error {
	for i, tag := range tags {
		if len(tag.Key) >= len(reservedTag) && strings.EqualFold(tag.Key[:len(reservedTag)], reservedTag) {
			return api.BadRequest("Tags", "a Key must not begin with %s", reservedTag)
		}
		if indexTag(tags[:i], tag.Key) >= 0 {
			return api.BadRequest("Tags", "a Key is given twice")
		}
	}
	return nil
}

func indexTag(tags []chime.Tag, key string) int {
	return slices.IndexFunc(tags, func(tag chime.Tag) bool { return tag.Key == key })
}

// requireResource refuses a resource that does not exist. Either API takes the ARNs of both.
func requireResource(r store.Reader, res chime.Resource) error {
	found, err := store.AppInstances.Has(r, store.K(res.App))
	if err != nil {
		return err
	}
	if found {
		switch res.Kind {
		case chime.KindUser, chime.KindBot:
			found, err = Exists(r, res.App, res.Ref())
		case chime.KindChannel:
			found, err = store.Channels.Has(r, store.K(res.App, res.ID))
		case chime.KindChannelFlow:
			found, err = store.Flows.Has(r, store.K(res.App, res.ID))
		}
	}
	if err == nil && !found {
		return api.Forbidden("ResourceARN does not name a resource that exists")
	}
	return err
}
