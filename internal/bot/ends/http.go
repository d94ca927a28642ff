package ends

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
)

// HTTP is an endpoint that Lex's operations are posted to, signed as Standard Webhooks says.
type HTTP struct {
	Caller
	URL    *url.URL
	Signer *webhook.Signer
}

// posted is the body of a call: the operation, the members that Lex has in its path, and its body.
type posted struct {
	Operation string `json:"operation"`
	BotID     string `json:"botId"`
	AliasID   string `json:"botAliasId"`
	LocaleID  string `json:"localeId"`
	SessionID string `json:"sessionId"`
	request
}

// Answer implements bot.Answerer.
func (h *HTTP) Answer(ctx context.Context, q bot.Question) (bot.Answer, error) {
	if err := checkText(q.Text); err != nil {
		return bot.Answer{}, err
	}
	got, err := h.post(ctx, "RecognizeText", q.Key, &q.Session, recognize(&q))
	if err != nil {
		return bot.Answer{}, err
	}
	return parse("the bot", got.Body)
}

// Greet implements bot.End.
func (h *HTTP) Greet(ctx context.Context, s bot.Session, name string) (*bot.Answer, error) {
	got, err := h.post(ctx, "PutSession", s.ID+"-put", &s, put(&s, name))
	if err != nil || len(got.Body) == 0 {
		return nil, err
	}
	a, err := parse("the bot", got.Body)
	return &a, err
}

// Leave implements bot.End.
func (h *HTTP) Leave(ctx context.Context, s bot.Session) error {
	_, err := h.post(ctx, "DeleteSession", s.ID+"-delete", &s, request{})
	return err
}

// post makes one call. Any status but 2xx is a failure.
func (h *HTTP) post(ctx context.Context, operation, id string, s *bot.Session, r request) (*outbound.Answer, error) {
	a, err := parseAlias(s.Alias)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(posted{operation, a.bot, a.id, s.Locale, s.ID, r})
	if err != nil {
		return nil, err
	}
	got, err := h.Signer.Post(ctx, h.Client, webhook.Call{URL: h.URL.String(), ID: id, At: h.Now(), Body: body, Limit: maxAnswer})
	if err != nil {
		return nil, unreachable(err)
	}
	if !got.Succeeded() {
		return nil, status("the bot", got)
	}
	if operation == "RecognizeText" && len(got.Body) == 0 {
		return nil, fail(http.StatusBadGateway, "the bot answered nothing")
	}
	return got, nil
}
