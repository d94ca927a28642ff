package identity_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

func (w *world) tag(arn string, tags ...wire.Tag) error {
	_, err := w.TagResource(context.Background(), &wire.TagResourceRequest{ResourceARN: arn, Tags: tags})
	return err
}

func (w *world) untag(arn string, keys ...string) error {
	_, err := w.UntagResource(context.Background(), &wire.UntagResourceRequest{ResourceARN: arn, TagKeys: keys})
	return err
}

func (w *world) tagsOf(arn string) ([]wire.Tag, error) {
	resp, err := w.ListTagsForResource(context.Background(), &wire.ListTagsForResourceRequest{ResourceARN: arn})
	if err != nil {
		return nil, err
	}
	return resp.Tags, nil
}

func (w *world) wantTags(arn string, want ...wire.Tag) {
	w.t.Helper()
	got, err := w.tagsOf(arn)
	ok(w.t, err)
	if !slices.Equal(got, want) {
		w.t.Errorf("tags %v, want %v", got, want)
	}
}

func tag(key, value string) wire.Tag { return wire.Tag{Key: key, Value: value} }

// channel puts a channel where the channel service keeps it.
func (w *world) channel(app, id string) string {
	w.t.Helper()
	res, err := site.Parse("AppInstanceArn", app)
	ok(w.t, err)
	ok(w.t, w.store.Update(context.Background(), res.App, func(tx store.Tx) error {
		return store.Channels.Put(tx, store.K(res.App, id), chime.Channel{ID: id, UID: "uid"})
	}))
	return site.ChannelARN(res.App, id)
}

func TestTagsAreAddedReplacedAndRemoved(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		for _, arn := range []string{app, w.user(app, "alice"), w.channel(app, "alice")} {
			w.wantTags(arn)
			ok(w.t, w.tag(arn, tag("b", "1"), tag("a", "2")))
			ok(w.t, w.tag(arn, tag("c", "3"), tag("b", "4")))
			w.wantTags(arn, tag("b", "4"), tag("a", "2"), tag("c", "3"))
			ok(w.t, w.untag(arn, "b", "never there"))
			w.wantTags(arn, tag("a", "2"), tag("c", "3"))
			ok(w.t, w.untag(arn, "a", "c"))
			w.wantTags(arn)
			ok(w.t, w.untag(arn, "a"))
		}
	})
}

func TestTagsOfCreation(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		tags := []wire.Tag{tag("team", "blue")}
		app, err := w.CreateAppInstance(ctx, &wire.CreateAppInstanceRequest{Name: "app", Tags: tags})
		ok(w.t, err)
		w.wantTags(app.AppInstanceARN, tags...)
		req := userRequest(app.AppInstanceARN, "alice")
		req.Tags = tags
		user, err := w.CreateAppInstanceUser(ctx, req)
		ok(w.t, err)
		w.wantTags(user.AppInstanceUserARN, tags...)

		_, err = w.CreateAppInstance(ctx, &wire.CreateAppInstanceRequest{Name: "bad", Tags: []wire.Tag{tag("aws:x", "y")}})
		refused(w.t, err, "BadRequestException", "Tags")
		w.wantList(w.apps(), "app")
		req = userRequest(app.AppInstanceARN, "bob")
		req.Tags = []wire.Tag{tag("a", "1"), tag("a", "2")}
		_, err = w.CreateAppInstanceUser(ctx, req)
		refused(w.t, err, "BadRequestException", "Tags")
		w.wantList(w.usersOf(app.AppInstanceARN), "Name of alice")
	})
}

func TestTagRules(t *testing.T) {
	onEachEngine(t, func(w *world) {
		arn := w.app("app")
		refused(w.t, w.tag(arn, tag("aws:team", "x")), "BadRequestException", "Tags")
		refused(w.t, w.tag(arn, tag("AWS:team", "x")), "BadRequestException", "Tags")
		refused(w.t, w.tag(arn, tag("a", "1"), tag("b", "2"), tag("a", "1")), "BadRequestException", "Tags")
		w.wantTags(arn)
		ok(w.t, w.tag(arn, tag("aws", "fine"), tag("a", "1"), tag("A", "2")))
		for i := range 47 {
			ok(w.t, w.tag(arn, tag(fmt.Sprint("key", i), "v")))
		}
		refused(w.t, w.tag(arn, tag("one more", "v")), "ResourceLimitExceededException", "50 tags")
		ok(w.t, w.tag(arn, tag("a", "new value")))
		ok(w.t, w.untag(arn, "A"))
		ok(w.t, w.tag(arn, tag("one more", "v")))
	})
}

func TestBothAPIsShareTags(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		other := identity.NewMessagingTags(w.store, site)
		app := w.app("app")
		for _, arn := range []string{app, w.channel(app, "c")} {
			_, err := other.TagResource(ctx, &messaging.TagResourceRequest{ResourceARN: arn, Tags: []messaging.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}})
			ok(w.t, err)
			w.wantTags(arn, tag("a", "1"), tag("b", "2"))
			_, err = other.UntagResource(ctx, &messaging.UntagResourceRequest{ResourceARN: arn, TagKeys: []string{"a"}})
			ok(w.t, err)
			resp, err := other.ListTagsForResource(ctx, &messaging.ListTagsForResourceRequest{ResourceARN: arn})
			ok(w.t, err)
			if !slices.Equal(resp.Tags, []messaging.Tag{{Key: "b", Value: "2"}}) {
				w.t.Errorf("tags %v", resp.Tags)
			}
		}
		for arn, exception := range map[string]string{"nonsense": "BadRequestException", app + "/channel/none": "ForbiddenException"} {
			_, err := other.TagResource(ctx, &messaging.TagResourceRequest{ResourceARN: arn, Tags: []messaging.Tag{{Key: "a", Value: "1"}}})
			refused(w.t, err, exception, "ResourceARN")
			_, err = other.UntagResource(ctx, &messaging.UntagResourceRequest{ResourceARN: arn, TagKeys: []string{"a"}})
			refused(w.t, err, exception, "ResourceARN")
			_, err = other.ListTagsForResource(ctx, &messaging.ListTagsForResourceRequest{ResourceARN: arn})
			refused(w.t, err, exception, "ResourceARN")
		}
	})
}
