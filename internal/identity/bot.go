package identity

import (
	"context"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateAppInstanceBot makes a bot with an id of its own. Names need not be unique, and a bot
// may have none.
func (s *Service) CreateAppInstanceBot(ctx context.Context, req *wire.CreateAppInstanceBotRequest) (*wire.CreateAppInstanceBotResponse, error) {
	res, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}

	lex, err := lexOf(req.Configuration)
	if err != nil {
		return nil, err
	}
	id, err := chime.NewUUID(s.random)
	if err != nil {
		return nil, err
	}

	now := s.now()
	scope := idempotency.Scope{Operation: "CreateAppInstanceBot", App: res.App, Token: req.ClientRequestToken}
	call, err := s.tokens.Call(scope, req)
	if err != nil {
		return nil, err
	}

	// A repeated call answers the bot of the first, as long as it exists.
	var created string
	err = s.store.Update(ctx, res.App, func(tx store.Tx) (err error) {
		if err := RequireApp(tx, "AppInstanceArn", res.App); err != nil {
			return err
		}
		exists := func(id string) (bool, error) { return store.Bots.Has(tx, store.K(res.App, id)) }
		created, err = call.Do(tx, exists, func() (string, error) {
			bot := chime.Bot{ID: id, Name: text(req.Name), Metadata: text(req.Metadata), Lex: lex, Created: now, Updated: now}
			return id, s.createBot(tx, res.App, bot, chime.TagsOf(req.Tags))
		})
		return err
	})
	if err != nil {
		return nil, err
	}

	return &wire.CreateAppInstanceBotResponse{AppInstanceBotARN: s.site.RefARN(res.App, chime.BotRef(created))}, nil
}

func (s *Service) createBot(tx store.Tx, app string, bot chime.Bot, tags []chime.Tag) (err error) {
	bot.Order, err = tx.Append(eventOf(chime.EventCreateBot, app, chime.BotRef(bot.ID), bot.Created))
	if err != nil {
		return err
	}
	if err := store.Insert(tx, bots.rows(s, app, bot.ID, bot.Order, bot)...); err != nil {
		return err
	}
	return PutTags(tx, chime.Resource{App: app, Kind: chime.KindBot, ID: bot.ID}, tags)
}

// DescribeAppInstanceBot answers the bot as it is. The configuration has what triggers the bot
// even when that was left to the defaults.
func (s *Service) DescribeAppInstanceBot(ctx context.Context, req *wire.DescribeAppInstanceBotRequest) (*wire.DescribeAppInstanceBotResponse, error) {
	res, bot, err := bots.describe(ctx, s, req.AppInstanceBotARN)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeAppInstanceBotResponse{AppInstanceBot: &wire.AppInstanceBot{
		AppInstanceBotARN:    s.site.RefARN(res.App, res.Ref()),
		Name:                 bot.Name,
		Metadata:             bot.Metadata,
		Configuration:        configuration(bot.Lex),
		CreatedTimestamp:     bot.Created.Optional(),
		LastUpdatedTimestamp: bot.Updated.Optional(),
	}}, nil
}

// UpdateAppInstanceBot replaces name and metadata, and the configuration when one is given.
func (s *Service) UpdateAppInstanceBot(ctx context.Context, req *wire.UpdateAppInstanceBotRequest) (*wire.UpdateAppInstanceBotResponse, error) {
	res, err := bots.parse(s, req.AppInstanceBotARN)
	if err != nil {
		return nil, err
	}
	var lex chime.Lex
	if req.Configuration != nil {
		if lex, err = lexOf(req.Configuration); err != nil {
			return nil, err
		}
	}

	err = bots.change(ctx, s, res, chime.EventUpdateBot, func(bot *chime.Bot, now chime.Millis) {
		bot.Name, bot.Metadata, bot.Updated = text(req.Name), text(req.Metadata), now
		if req.Configuration != nil {
			bot.Lex = lex
		}
	})
	if err != nil {
		return nil, err
	}
	return &wire.UpdateAppInstanceBotResponse{AppInstanceBotARN: s.site.RefARN(res.App, res.Ref())}, nil
}

// ListAppInstanceBots lists in order of creation.
func (s *Service) ListAppInstanceBots(ctx context.Context, req *wire.ListAppInstanceBotsRequest) (*wire.ListAppInstanceBotsResponse, error) {
	res, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}

	resp := &wire.ListAppInstanceBotsResponse{AppInstanceARN: s.site.AppInstanceARN(res.App)}
	p := store.NewPage("ListAppInstanceBots "+res.App, req.MaxResults, req.NextToken)
	err = s.store.View(ctx, res.App, func(r store.Reader) (err error) {
		if err := RequireApp(r, "AppInstanceArn", res.App); err != nil {
			return err
		}
		resp.AppInstanceBots, resp.NextToken, err = list(r, store.BotsInOrder, store.Prefix(store.K(res.App)), p,
			func(id string) (wire.AppInstanceBotSummary, error) {
				bot, _, err := store.Bots.Get(r, store.K(res.App, id))
				return wire.AppInstanceBotSummary{
					AppInstanceBotARN: s.site.RefARN(res.App, chime.BotRef(id)), Name: bot.Name, Metadata: bot.Metadata,
				}, err
			})
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// DeleteAppInstanceBot takes the bot away as DeleteAppInstanceUser does a user.
func (s *Service) DeleteAppInstanceBot(ctx context.Context, req *wire.DeleteAppInstanceBotRequest) (*wire.DeleteAppInstanceBotResponse, error) {
	return nil, bots.delete(ctx, s, req.AppInstanceBotARN, chime.EventDeleteBot)
}
