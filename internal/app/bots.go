package app

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/bot/ends"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// buildBots makes what has bots act, with the queue of hearing.
func (s *services) buildBots(a *App, queue *bot.Queue) error {
	if queue == nil {
		return nil
	}
	table, err := s.botEnds(a)
	if err != nil {
		return err
	}
	s.bots = bot.New(bot.Options{
		Store: a.store, Site: s.site, Now: a.deps.Now, Log: a.deps.Log, Random: a.deps.Random, Queue: queue, Messages: s.messages,
		Ends: table.Find, EditEvery: a.cfg.BotsEditEvery,
	})
	a.registry.MustRegister(sampler(a.sampleBots))
	return nil
}

// hearing is the queue of bots, with a bus that hands it what is published; nil without the setting bots.
func (a *App) hearing() (*bot.Queue, bus.Publisher) {
	if len(a.cfg.Bots) == 0 {
		return nil, a.bus
	}
	queue := bot.NewQueue()
	return queue, queue.Listen(a.bus)
}

// followBots is the follower of the bots, if there are some.
func (s *services) followBots() []follow.Follower {
	if s.bots == nil {
		return nil
	}
	return []follow.Follower{s.bots.Follower()}
}

// botEnds are the ends at which the setting bots says that bots are asked.
func (s *services) botEnds(a *App) (ends.Table, error) {
	routes, err := a.cfg.BotRoutes()
	if err != nil {
		return nil, err
	}
	signer, err := signerOf("bots-secret", a.cfg.BotSecrets())
	if err != nil {
		return nil, err
	}

	caller := ends.Caller{Client: s.outbound, Now: a.deps.Now}
	var table ends.Table
	for _, route := range routes {
		end, err := a.botEnd(route, caller, signer)
		if err != nil {
			return nil, fmt.Errorf("the setting bots: %w", err)
		}
		table = append(table, ends.Place{Pattern: route.Pattern, End: end})
	}
	return table, nil
}

// botEnd is the end of one entry of bots.
func (a *App) botEnd(route config.Bot, caller ends.Caller, signer *webhook.Signer) (bot.End, error) {
	switch route.Kind {
	case config.HTTPBot:
		return &ends.HTTP{Caller: caller, URL: route.URL, Signer: signer}, nil
	case config.LexBot:
		return &ends.Lex{Caller: caller, URL: route.URL, Credentials: sigv4.Credentials{
			AccessKeyID: a.cfg.BotsAccessKeyID, SecretAccessKey: a.cfg.BotsSecretAccessKey.Reveal(),
		}}, nil
	case config.OpenAIBot:
		return a.openAI(route, caller)
	}
	return new(ends.Echo), nil
}

// openAI reads the files of an entry: the prompt once, and the key before each call, so that it can be
// replaced.
func (a *App) openAI(route config.Bot, caller ends.Caller) (bot.End, error) {
	key := func() (string, error) {
		if route.KeyFile == "" {
			return a.cfg.BotsOpenAIKey.Reveal(), nil
		}
		text, err := os.ReadFile(route.KeyFile)
		return strings.TrimSpace(string(text)), err
	}
	if _, err := key(); err != nil {
		return nil, err
	}
	var prompt []byte
	if route.PromptFile != "" {
		var err error
		if prompt, err = os.ReadFile(route.PromptFile); err != nil {
			return nil, err
		}
	}
	return &ends.OpenAI{
		Client: caller.Client, URL: route.URL, Model: route.Model, Key: key, System: strings.TrimSpace(string(prompt)),
		History: route.History, MaxTokens: route.MaxTokens, Timeout: route.Timeout,
	}, nil
}

func (a *App) sampleBots(gauge, counter sample) {
	c := a.services.bots.Counts()
	gauge("carillon_bot_turns_queued", "Messages that bots have to answer, and greetings, that are to be taken or are being taken. Many mean that a bot is slow or away.", float64(c.Queued))
	for outcome, n := range map[string]uint64{"answered": c.Answered, "failed": c.Failed, "dropped": c.Dropped} {
		counter("carillon_bot_turns_total", "Turns of bots that came to an end: answered, failed (members got an error reply, the operator a notice) or dropped (the bot, the channel or the message was gone).",
			float64(n), "outcome", outcome)
	}
	counter("carillon_bot_failed_attempts_total", "Attempts to ask bots that failed. Each turn has three at most.", float64(c.FailedAttempts))

	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	if n, err := a.services.bots.Silent(ctx); err == nil {
		gauge("carillon_bots_without_end", "Bots that no entry of the setting bots is for. They are silent.", float64(n))
	}
}
