package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

func (w *world) botsOf(app string) fetch {
	return func(limit *int, token *string) (names []string, next string, err error) {
		resp, err := w.ListAppInstanceBots(context.Background(), &wire.ListAppInstanceBotsRequest{AppInstanceARN: app, MaxResults: limit, NextToken: token})
		if err != nil {
			return nil, "", err
		}
		for _, bot := range resp.AppInstanceBots {
			names = append(names, bot.Name)
		}
		return names, resp.NextToken, nil
	}
}

func TestBotIsDescribedAsCreatedAndUpdated(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		app := w.app("app")
		position := w.position(app)
		req := botRequest(app, "Bot")
		req.Metadata, req.Tags = ptr("m"), []wire.Tag{tag("k", "v")}
		req.Configuration.Lex.WelcomeIntent = ptr("Hello_World")
		created, err := w.CreateAppInstanceBot(ctx, req)
		ok(w.t, err)
		arn := created.AppInstanceBotARN
		w.wantTags(arn, tag("k", "v"))
		first, err := w.describeBot(arn)
		ok(w.t, err)
		lex := first.Configuration.Lex
		if first.AppInstanceBotARN != arn || first.Name != "Bot" || first.Metadata != "m" ||
			!first.CreatedTimestamp.Equal(w.now) || !first.LastUpdatedTimestamp.Equal(w.now) ||
			lex.LexBotAliasARN != alias || *lex.LocaleID != "en_US" || *lex.WelcomeIntent != "Hello_World" {
			w.t.Errorf("described as %+v with %+v", first, lex)
		}

		w.pass(time.Minute)
		update := &wire.UpdateAppInstanceBotRequest{AppInstanceBotARN: arn, Name: ptr(""), Metadata: ptr("")}
		_, err = w.UpdateAppInstanceBot(ctx, update)
		ok(w.t, err)
		second, err := w.describeBot(arn)
		ok(w.t, err)
		if second.Name != "" || second.Metadata != "" || !second.CreatedTimestamp.Equal(*first.CreatedTimestamp) ||
			!second.LastUpdatedTimestamp.Equal(w.now) || *second.Configuration.Lex.WelcomeIntent != "Hello_World" {
			w.t.Errorf("after an update without configuration: %+v", second)
		}
		update.Configuration = botRequest(app, "").Configuration
		update.Configuration.Lex.LocaleID = ptr("de_DE")
		_, err = w.UpdateAppInstanceBot(ctx, update)
		ok(w.t, err)
		third, err := w.describeBot(arn)
		ok(w.t, err)
		if lex := third.Configuration.Lex; *lex.LocaleID != "de_DE" || lex.WelcomeIntent != nil {
			w.t.Errorf("after an update with configuration: %+v", lex)
		}
		if after := w.position(app); after != position+3 {
			w.t.Errorf("%d events", after-position)
		}
	})
}

func TestWhatTriggersABot(t *testing.T) {
	by := func(s wire.StandardMessages, t wire.TargetedMessages) *wire.InvokedBy {
		return &wire.InvokedBy{StandardMessages: s, TargetedMessages: t}
	}
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		for name, c := range map[string]struct {
			responds wire.RespondsTo
			by       *wire.InvokedBy
			want     *wire.InvokedBy
		}{
			"neither":    {"", nil, by("AUTO", "ALL")},
			"RespondsTo": {"STANDARD_MESSAGES", nil, by("ALL", "ALL")},
			"InvokedBy":  {"", by("MENTIONS", "NONE"), by("MENTIONS", "NONE")},
			"both":       {"STANDARD_MESSAGES", by("NONE", "ALL"), by("NONE", "ALL")},
		} {
			req := botRequest(app, name)
			req.Configuration.Lex.RespondsTo, req.Configuration.Lex.InvokedBy = c.responds, c.by
			created, err := w.CreateAppInstanceBot(context.Background(), req)
			ok(w.t, err)
			bot, err := w.describeBot(created.AppInstanceBotARN)
			ok(w.t, err)
			lex := bot.Configuration.Lex
			if *lex.InvokedBy != *c.want || lex.RespondsTo != c.responds {
				w.t.Errorf("%s: %+v, responds to %q", name, lex.InvokedBy, lex.RespondsTo)
			}
		}
	})
}

func TestBadLocaleIsRefused(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		bot := w.bot(app, "bot")
		for _, locale := range []string{"", "en US", "en-US", "é", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} {
			req := botRequest(app, "x")
			req.Configuration.Lex.LocaleID = &locale
			_, err := w.CreateAppInstanceBot(context.Background(), req)
			refused(w.t, err, "BadRequestException", "Configuration.Lex.LocaleId")
			_, err = w.UpdateAppInstanceBot(context.Background(), &wire.UpdateAppInstanceBotRequest{
				AppInstanceBotARN: bot, Name: ptr(""), Metadata: ptr(""), Configuration: req.Configuration,
			})
			refused(w.t, err, "BadRequestException", "Configuration.Lex.LocaleId")
		}
		w.wantList(w.botsOf(app), "bot")
	})
}

func TestRepeatedCreationOfABotMakesOne(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		req := botRequest(app, "bot")
		req.ClientRequestToken = "token"
		first, err := w.CreateAppInstanceBot(context.Background(), req)
		ok(w.t, err)
		second, err := w.CreateAppInstanceBot(context.Background(), req)
		ok(w.t, err)
		if first.AppInstanceBotARN != second.AppInstanceBotARN {
			w.t.Errorf("%s and %s", first.AppInstanceBotARN, second.AppInstanceBotARN)
		}
		other := botRequest(app, "another")
		other.ClientRequestToken = "token"
		_, err = w.CreateAppInstanceBot(context.Background(), other)
		refused(w.t, err, "ConflictException", "ClientRequestToken")
		w.wantList(w.botsOf(app), "bot")
	})
}

func TestBotsAreListedInOrderOfCreation(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		w.bot(w.app("other"), "other")
		var want []string
		for i := range 5 {
			want = append(want, fmt.Sprint("bot ", i))
			w.bot(app, want[i])
		}
		w.wantList(w.botsOf(app), want...)
		if got := w.all(w.botsOf(app), 2, func(int) {}); !slices.Equal(got, want) {
			w.t.Errorf("in pages: %q", got)
		}
	})
}

func TestABotIsWhateverAUserCanBe(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		bot := w.bot(app, "bot")
		res, err := site.Parse("AppInstanceBotArn", bot)
		ok(w.t, err)
		w.admin(app, bot)
		actor, err := w.bearer(bot)
		ok(w.t, err)
		if want := (identity.Actor{App: res.App, Holder: chime.Holder{Ref: res.Ref(), Since: actor.Since, Created: actor.Created}, Name: "bot", Admin: true}); actor != want {
			w.t.Errorf("got %+v", actor)
		}
		w.wantList(w.adminsOf(app), "bot")
		ok(w.t, w.tag(bot, tag("a", "1")))
		w.wantTags(bot, tag("a", "1"))

		position := w.position(app)
		ok(w.t, w.deleteBot(bot))
		ref := string(res.Ref())
		if got := w.events(app, position); !slices.Equal(got, []string{
			"DELETE_APP_INSTANCE_ADMIN " + ref, "DELETE_APP_INSTANCE_BOT " + ref,
		}) {
			w.t.Errorf("events %q", got)
		}
		if want := (removal{app: res.App, ref: res.Ref(), before: position + 2}); !slices.Equal(w.cascade.removals, []removal{want}) {
			w.t.Errorf("asked for %+v, want %+v", w.cascade.removals, want)
		}
		_, err = w.bearer(bot)
		refused(w.t, err, "UnauthorizedClientException", "ChimeBearer")
		_, err = w.describeBot(bot)
		refused(w.t, err, "NotFoundException", "AppInstanceBotArn")
		refused(w.t, w.tag(bot, tag("a", "1")), "ForbiddenException", "ResourceARN")
		refused(w.t, w.deleteBot(bot), "ForbiddenException", "AppInstanceBotArn")
		w.wantList(w.botsOf(app))
		w.wantList(w.adminsOf(app))
		named, err := view(w, func(r store.Reader) (identity.Named, error) {
			return identity.Name(r, res.App, res.Ref(), identity.Now)
		})
		ok(w.t, err)
		if named.Name != "bot" {
			w.t.Errorf("what the bot wrote is by %q", named.Name)
		}
	})
}

func TestDeletionOfABotIsTakenUpAgain(t *testing.T) {
	onEachEngine(t, func(w *world) {
		bot := w.bot(w.app("app"), "bot")
		w.cascade.err = errCrash
		if err := w.deleteBot(bot); !errors.Is(err, errCrash) {
			w.t.Fatalf("the deletion ended with %v", err)
		}
		w.cascade.err, w.cascade.removals = nil, nil
		w.restart()
		ok(w.t, w.resume())
		if len(w.cascade.removals) != 1 {
			w.t.Errorf("removals %+v", w.cascade.removals)
		}
		refused(w.t, w.deleteBot(bot), "ForbiddenException", "AppInstanceBotArn")
	})
}

func TestFlowsHaveTags(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		res, err := site.Parse("AppInstanceArn", app)
		ok(w.t, err)
		ok(w.t, w.store.Update(context.Background(), res.App, func(tx store.Tx) error {
			return store.Flows.Put(tx, store.K(res.App, "f"), chime.Flow{ID: "f"})
		}))
		flow := site.ChannelFlowARN(res.App, "f")
		ok(w.t, w.tag(flow, tag("a", "1")))
		w.wantTags(flow, tag("a", "1"))
	})
}
