package identity

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
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
		if err := requireApp(tx, "AppInstanceArn", res.App); err != nil {
			return err
		}
		exists := func(id string) (bool, error) { return store.Bots.Has(tx, store.K(res.App, id)) }
		created, err = call.Do(tx, exists, func() (string, error) {
			bot := chime.Bot{ID: id, Name: text(req.Name), Metadata: text(req.Metadata), Lex: lex, Created: now, Updated: now}
			return id, createBot(tx, res.App, bot, chime.TagsOf(req.Tags))
		})
		return err
	})
	if err != nil {
		return nil, err
	}

	return &wire.CreateAppInstanceBotResponse{AppInstanceBotARN: s.site.RefARN(res.App, chime.BotRef(created))}, nil
}

func createBot(tx store.Tx, app string, bot chime.Bot, tags []chime.Tag) (err error) {
	bot.Order, err = tx.Append(eventOf(chime.EventCreateBot, app, chime.BotRef(bot.ID), bot.Created))
	if err != nil {
		return err
	}
	if err := store.Bots.Put(tx, store.K(app, bot.ID), bot); err != nil {
		return err
	}
	if err := store.BotsInOrder.Put(tx, store.K(app).Num(bot.Order), bot.ID); err != nil {
		return err
	}
	return PutTags(tx, chime.Resource{App: app, Kind: chime.KindBot, ID: bot.ID}, tags)
}

// DescribeAppInstanceBot answers the bot as it is. The configuration has what triggers the bot
// even when that was left to the defaults.
func (s *Service) DescribeAppInstanceBot(ctx context.Context, req *wire.DescribeAppInstanceBotRequest) (*wire.DescribeAppInstanceBotResponse, error) {
	res, err := s.site.ParseKind("AppInstanceBotArn", req.AppInstanceBotARN, chime.KindBot)
	if err != nil {
		return nil, err
	}

	var bot chime.Bot
	err = s.store.View(ctx, res.App, func(r store.Reader) (err error) {
		bot, err = readBot(r, res, api.NotFound("AppInstanceBotArn does not name an app instance bot that exists"))
		return err
	})
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
	res, err := s.site.ParseKind("AppInstanceBotArn", req.AppInstanceBotARN, chime.KindBot)
	if err != nil {
		return nil, err
	}

	var lex chime.Lex
	if req.Configuration != nil {
		if lex, err = lexOf(req.Configuration); err != nil {
			return nil, err
		}
	}

	now := s.now()
	err = s.store.Update(ctx, res.App, func(tx store.Tx) error {
		bot, err := readBot(tx, res, noBot())
		if err != nil {
			return err
		}

		bot.Name, bot.Metadata, bot.Updated = text(req.Name), text(req.Metadata), now
		if req.Configuration != nil {
			bot.Lex = lex
		}

		if err := store.Bots.Put(tx, store.K(res.App, bot.ID), bot); err != nil {
			return err
		}
		_, err = tx.Append(eventOf(chime.EventUpdateBot, res.App, res.Ref(), now))
		return err
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
		if err := requireApp(r, "AppInstanceArn", res.App); err != nil {
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
	res, err := s.site.ParseKind("AppInstanceBotArn", req.AppInstanceBotARN, chime.KindBot)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var task chime.Task
	err = s.store.Update(ctx, res.App, func(tx store.Tx) (err error) {
		task, err = s.deleteBot(tx, res, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return nil, s.jobs.Do(context.WithoutCancel(ctx), task) // the client may leave, the work goes on
}

// deleteBot removes the bot's records and leaves the rest as a task.
func (s *Service) deleteBot(tx store.Tx, res chime.Resource, now chime.Millis) (chime.Task, error) {
	if err := requireApp(tx, "AppInstanceBotArn", res.App); err != nil {
		return chime.Task{}, err
	}
	bot, found, err := store.Bots.Get(tx, store.K(res.App, res.ID))
	if err != nil {
		return chime.Task{}, err
	}

	if !found {
		return unfinished(tx, res.App, res.Ref(), noBot())
	}

	if err := store.Bots.Delete(tx, store.K(res.App, bot.ID)); err != nil {
		return chime.Task{}, err
	}
	if err := store.BotsInOrder.Delete(tx, store.K(res.App).Num(bot.Order)); err != nil {
		return chime.Task{}, err
	}
	return s.leave(tx, res, bot.Name, bot.Order, chime.EventDeleteBot, now)
}

// readBot reads a bot of an app instance that exists; missing is the error when there is no
// such bot.
func readBot(r store.Reader, res chime.Resource, missing error) (chime.Bot, error) {
	if err := requireApp(r, "AppInstanceBotArn", res.App); err != nil {
		return chime.Bot{}, err
	}
	bot, found, err := store.Bots.Get(r, store.K(res.App, res.ID))
	if err == nil && !found {
		err = missing
	}
	return bot, err
}

func noBot() error {
	return api.Forbidden("AppInstanceBotArn does not name an app instance bot that exists")
}
