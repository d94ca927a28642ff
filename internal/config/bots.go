package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
)

// BotKind is where a bot is asked.
type BotKind uint8

// The kinds of bots.
const (
	// HTTPBot is an HTTP endpoint that Lex's operations are posted to.
	HTTPBot BotKind = iota
	// LexBot is a server that speaks the runtime of Lex V2.
	LexBot
	// OpenAIBot is a server that speaks OpenAI's chat completions.
	OpenAIBot
	// EchoBot is the bot that the program has itself.
	EchoBot
)

// Bot is one entry of the setting bots.
type Bot struct {
	Pattern chime.Pattern // over ARNs of Lex bot aliases
	Kind    BotKind
	// URL is the endpoint; nil for AWS Lex in the region of an alias, and for EchoBot.
	URL *url.URL

	// Of an OpenAIBot.
	Model               string
	KeyFile, PromptFile string        // empty for none
	History             int           // messages that go with a question
	MaxTokens           int           // of an answer; zero leaves it to the server
	Timeout             time.Duration // of a whole answer
}

// openAIURL is the endpoint of an OpenAIBot that names none.
const openAIURL = "https://api.openai.com/v1"

// What an OpenAIBot has unless an option says otherwise, and at most.
const (
	defaultHistory = 20
	maxHistory     = 49 // a page of messages without the question
	defaultAnswer  = 2 * time.Minute
	maxAnswer      = 10 * time.Minute
	maxTokens      = 1_000_000
)

// BotRoutes reads the setting bots. Of several patterns that stand for an ARN the first counts.
func (c *Config) BotRoutes() ([]Bot, error) {
	var list []Bot
	for _, text := range c.Bots {
		fields := strings.Fields(text)
		if len(fields) < 2 {
			return nil, errors.New("must hold entries such as \"arn:aws:lex:*:bot-alias/* https://example.com/bot\": a pattern of ARNs of Lex bot aliases, an endpoint, options")
		}
		b, err := parseBot(fields[1], fields[2:])
		if err != nil {
			return nil, fmt.Errorf("the entry for %s: %w", fields[0], err)
		}
		b.Pattern = chime.Pattern(fields[0])
		list = append(list, b)
	}
	return list, nil
}

// parseBot reads the endpoint and the options of an entry. Errors do not hold the endpoint, because it may
// have a secret.
func parseBot(text string, options []string) (b Bot, err error) {
	kind, address, _ := strings.Cut(text, "+")
	switch kind {
	case "echo":
		b.Kind = EchoBot
	case "lex":
		b.Kind = LexBot
	case "openai":
		b.Kind = OpenAIBot
		if address == "" {
			address = openAIURL
		}
	default:
		address = text
	}

	if address != "" {
		b.URL, err = url.Parse(address)
		if err != nil || !isWeb(b.URL) || b.URL.User != nil || b.Kind == EchoBot {
			return b, errors.New("the endpoint must be a URL of https or http without user, lex or openai, these two with + and such a URL, or echo")
		}
	}
	if b.Kind == OpenAIBot {
		b.History, b.Timeout = defaultHistory, defaultAnswer
	}
	for _, option := range options {
		if err := b.set(option); err != nil {
			return b, err
		}
	}
	return b, when(b.Kind == OpenAIBot && b.Model == "", "needs the option model")
}

// set reads one option, as key=value.
func (b *Bot) set(option string) (err error) {
	known := map[string]func(string) error{
		"model":       func(v string) error { b.Model = v; return nil },
		"key-file":    func(v string) error { b.KeyFile = v; return nil },
		"prompt-file": func(v string) error { b.PromptFile = v; return nil },
		"history":     number(&b.History, 0, maxHistory),
		"max-tokens":  number(&b.MaxTokens, 1, maxTokens),
		"timeout": func(v string) (err error) {
			if b.Timeout, err = time.ParseDuration(v); err != nil {
				return fmt.Errorf("must be a time such as 30s, not %q", v)
			}
			return within(b.Timeout, time.Second, maxAnswer)
		},
	}
	key, value, _ := strings.Cut(option, "=")
	set := known[key]
	if set == nil || b.Kind != OpenAIBot || value == "" {
		return fmt.Errorf("the options of openai are %s, others have none, not %q", strings.Join(slices.Sorted(maps.Keys(known)), ", "), key)
	}
	if err := set(value); err != nil {
		return fmt.Errorf("%s %w", key, err)
	}
	return nil
}

// number reads a whole number within bounds.
func number(into *int, least, most int) func(string) error {
	return func(text string) (err error) {
		if *into, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("must be a whole number, not %q", text)
		}
		return within(*into, least, most)
	}
}

// EchoBot is the ARN of the Lex bot alias under which dev mode has the echo; empty where bots has none or another
// there.
func (c *Config) EchoBot() string {
	arn := "arn:aws:lex:" + c.Region + ":" + c.Account + ":bot-alias/ECHOBOT000/ECHOBOT000"
	list, _ := c.BotRoutes() // checked at the start
	at := slices.IndexFunc(list, func(b Bot) bool { return b.Pattern.Matches(arn) })
	if at < 0 || list[at].Kind != EchoBot {
		return ""
	}
	return arn
}

// checkBots checks bots with the keys that its entries need.
func (c *Config) checkBots(fault func(key string, err error)) {
	const secret = "bots-secret"
	list, err := c.BotRoutes()
	fault("bots", err)
	for _, b := range list {
		switch b.Kind {
		case HTTPBot:
			fault(secret, when(c.BotsSecret.IsZero(), "must be set while bots has HTTP endpoints: it signs what is sent to them"))
		case LexBot:
			fault("bots-access-key-id", when(c.BotsAccessKeyID == "" || c.BotsSecretAccessKey.IsZero(),
				"must be set, with bots-secret-access-key, while bots has Lex endpoints"))
		}
	}
	fault(secret, checkSecrets(c.BotSecrets()))
	fault("bots-edit-every", within(c.BotsEditEvery, 100*time.Millisecond, time.Minute))
}

// BotSecrets are the secrets of bots-secret.
func (c *Config) BotSecrets() []string { return splitList(c.BotsSecret.Reveal()) }
