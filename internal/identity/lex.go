package identity

import (
	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
)

// lexOf keeps a configuration as it was given. The model has checked all of it but the locale,
// which it takes for any text; one is letters, digits and underscores, as en_US.
func lexOf(c *wire.Configuration) (chime.Lex, error) {
	given := c.Lex
	if locale := text(given.LocaleID); !isLocale(locale) {
		return chime.Lex{}, api.BadRequest("Configuration.Lex.LocaleId", "must be the id of a locale, such as en_US")
	}
	lex := chime.Lex{
		AliasARN: given.LexBotAliasARN, LocaleID: text(given.LocaleID), WelcomeIntent: text(given.WelcomeIntent),
		RespondsTo: string(given.RespondsTo),
	}
	if by := given.InvokedBy; by != nil {
		lex.StandardMessages, lex.TargetedMessages = string(by.StandardMessages), string(by.TargetedMessages)
	}
	return lex, nil
}

// maxLocale is far above the longest locale of Lex.
const maxLocale = 32

func isLocale(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxLocale
}

// configuration answers what is kept, with what InvokedBy means when it was not given.
func configuration(lex chime.Lex) *wire.Configuration {
	standard, targeted := InvokedBy(lex)
	shown := &wire.LexConfiguration{
		LexBotAliasARN: lex.AliasARN, LocaleID: &lex.LocaleID, RespondsTo: wire.RespondsTo(lex.RespondsTo),
		InvokedBy: &wire.InvokedBy{StandardMessages: standard, TargetedMessages: targeted},
	}
	if lex.WelcomeIntent != "" {
		shown.WelcomeIntent = &lex.WelcomeIntent
	}
	return &wire.Configuration{Lex: shown}
}

// InvokedBy is which messages trigger a bot. Without InvokedBy, the deprecated RespondsTo means
// all messages, and neither means AUTO and those targeted to the bot (spec 12.7 #97).
func InvokedBy(lex chime.Lex) (wire.StandardMessages, wire.TargetedMessages) {
	switch {
	case lex.StandardMessages != "":
		return wire.StandardMessages(lex.StandardMessages), wire.TargetedMessages(lex.TargetedMessages)
	case lex.RespondsTo != "":
		return wire.StandardMessagesAll, wire.TargetedMessagesAll
	}
	return wire.StandardMessagesAuto, wire.TargetedMessagesAll
}
