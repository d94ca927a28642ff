package identity

import (
	"context"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// tagging is the tag operations of both APIs, which differ in their types alone.
type tagging struct {
	store store.Store
	site  chime.Site
}

func (t tagging) tag(ctx context.Context, arn string, tags []chime.Tag) error {
	res, err := t.site.Parse("ResourceARN", arn)
	if err != nil {
		return err
	}
	return t.store.Update(ctx, res.App, func(tx store.Tx) error {
		if err := requireResource(tx, res); err != nil {
			return err
		}
		return PutTags(tx, res, tags)
	})
}

func (t tagging) untag(ctx context.Context, arn string, keys []string) error {
	res, err := t.site.Parse("ResourceARN", arn)
	if err != nil {
		return err
	}
	return t.store.Update(ctx, res.App, func(tx store.Tx) error {
		if err := requireResource(tx, res); err != nil {
			return err
		}
		return removeTags(tx, res, keys)
	})
}

func (t tagging) tags(ctx context.Context, arn string) (tags []chime.Tag, err error) {
	res, err := t.site.Parse("ResourceARN", arn)
	if err != nil {
		return nil, err
	}
	err = t.store.View(ctx, res.App, func(r store.Reader) error {
		if err := requireResource(r, res); err != nil {
			return err
		}
		tags, _, err = store.Tags.Get(r, store.TagsKey(res))
		return err
	})
	return tags, err
}

func (s *Service) tagging() tagging { return tagging{s.store, s.site} }

// TagResource adds tags to a resource of either API.
func (s *Service) TagResource(ctx context.Context, req *wire.TagResourceRequest) (*wire.TagResourceResponse, error) {
	return nil, s.tagging().tag(ctx, req.ResourceARN, chime.TagsOf(req.Tags))
}

// UntagResource removes tags from a resource of either API.
func (s *Service) UntagResource(ctx context.Context, req *wire.UntagResourceRequest) (*wire.UntagResourceResponse, error) {
	return nil, s.tagging().untag(ctx, req.ResourceARN, req.TagKeys)
}

// ListTagsForResource answers the tags in the order in which their keys were first given.
func (s *Service) ListTagsForResource(ctx context.Context, req *wire.ListTagsForResourceRequest) (*wire.ListTagsForResourceResponse, error) {
	tags, err := s.tagging().tags(ctx, req.ResourceARN)
	if err != nil {
		return nil, err
	}
	resp := &wire.ListTagsForResourceResponse{Tags: make([]wire.Tag, len(tags))}
	for i, tag := range tags {
		resp.Tags[i] = wire.Tag(tag)
	}
	return resp, nil
}

// MessagingTags answers the tag operations of the messaging API.
type MessagingTags struct{ tagging tagging }

// NewMessagingTags keeps tags together with those of the identity API.
func NewMessagingTags(s store.Store, site chime.Site) MessagingTags {
	return MessagingTags{tagging{s, site}}
}

// TagResource adds tags to a resource of either API.
func (t MessagingTags) TagResource(ctx context.Context, req *messaging.TagResourceRequest) (*messaging.TagResourceResponse, error) {
	return nil, t.tagging.tag(ctx, req.ResourceARN, chime.TagsOf(req.Tags))
}

// UntagResource removes tags from a resource of either API.
func (t MessagingTags) UntagResource(ctx context.Context, req *messaging.UntagResourceRequest) (*messaging.UntagResourceResponse, error) {
	return nil, t.tagging.untag(ctx, req.ResourceARN, req.TagKeys)
}

// ListTagsForResource answers the tags in the order in which their keys were first given.
func (t MessagingTags) ListTagsForResource(ctx context.Context, req *messaging.ListTagsForResourceRequest) (*messaging.ListTagsForResourceResponse, error) {
	tags, err := t.tagging.tags(ctx, req.ResourceARN)
	if err != nil {
		return nil, err
	}
	resp := &messaging.ListTagsForResourceResponse{Tags: make([]messaging.Tag, len(tags))}
	for i, tag := range tags {
		resp.Tags[i] = messaging.Tag(tag)
	}
	return resp, nil
}
