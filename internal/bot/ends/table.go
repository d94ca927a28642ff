// Package ends has where bots are asked: servers that speak Lex V2's runtime, HTTP endpoints of the same
// shape, servers that speak OpenAI's chat completions, and a bot for demonstrations that needs none of
// them. Which bot is where is said by patterns over ARNs of Lex bot aliases.
//
// Every call goes through a guarded client. Errors are of kind *bot.Failure where they say more than that a
// call failed.
package ends

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/outbound"
)

// Place is where the bots that a pattern stands for are asked.
type Place struct {
	Pattern chime.Pattern // over ARNs of Lex bot aliases
	End     bot.End
}

// Table finds ends by the ARN of a Lex bot alias: of several patterns that stand for one the first counts.
type Table []Place

// Find implements bot.Ends.
func (t Table) Find(alias string) bot.End {
	for _, p := range t {
		if p.Pattern.Matches(alias) {
			return p.End
		}
	}
	return nil
}

// Caller is what ends share. Its members are required.
type Caller struct {
	Client *outbound.Client
	Now    func() time.Time // of signatures
}

// maxAnswer bounds the body of an answer, in bytes: a message with all that belongs to it is much smaller.
const maxAnswer = 256 << 10

// alias is what the ARN of a Lex bot alias says.
type alias struct{ region, bot, id string }

// parseAlias reads the ARN, whose form the API has checked.
func parseAlias(arn string) (a alias, err error) {
	fields := strings.Split(arn, ":")
	if len(fields) == 6 {
		a.region = fields[3]
		resource, found := strings.CutPrefix(fields[5], "bot-alias/")
		if a.bot, a.id, _ = strings.Cut(resource, "/"); found && a.id != "" {
			return a, nil
		}
	}
	return a, fail(http.StatusBadRequest, "%s is not the ARN of a Lex bot alias", arn)
}

func fail(code int, format string, args ...any) error {
	return &bot.Failure{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// status is what the answer of a server says that is no success: too many calls, and what is wrong with the
// server itself, are worth another attempt.
func status(of string, got *outbound.Answer) error {
	reason := fmt.Sprintf("%s answered %d %s", of, got.Status, got.Header.Get("X-Amzn-Errortype"))
	again := got.Status == http.StatusTooManyRequests || got.Status == http.StatusConflict || got.Status >= http.StatusInternalServerError
	return &bot.Failure{Code: got.Status, Reason: strings.TrimSpace(reason), Again: again, After: got.RetryAfter()}
}

// unreachable is the failure of a call that got no answer.
func unreachable(err error) error {
	if errors.Is(err, outbound.ErrRefused) || errors.Is(err, outbound.ErrTooLarge) {
		return &bot.Failure{Code: http.StatusBadGateway, Reason: err.Error()}
	}
	return &bot.Failure{Code: http.StatusBadGateway, Reason: err.Error(), Again: true}
}
