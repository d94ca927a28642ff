package ends

import (
	"context"
	"encoding/json"

	"github.com/carillon-chat/carillon/internal/bot"
)

// Echo is a bot for demonstrations, within the program: it says what was said to it.
type Echo struct{ _ byte } // so that each has an address of its own

// Answer implements bot.Answerer.
func (*Echo) Answer(_ context.Context, q bot.Question) (bot.Answer, error) {
	if err := checkText(q.Text); err != nil { // what is said twice has to fit into a message
		return bot.Answer{}, err
	}
	return plain("You said: "+q.Text, "Echo")
}

// Greet implements bot.End.
func (*Echo) Greet(_ context.Context, _ bot.Session, intent string) (*bot.Answer, error) {
	a, err := plain("Hello! I say what you say to me.", intent)
	return &a, err
}

// Leave implements bot.End.
func (*Echo) Leave(context.Context, bot.Session) error { return nil }

// plain is an answer of one text.
func plain(text, intent string) (bot.Answer, error) {
	shown, err := json.Marshal(shownMessage{Content: text, ContentType: "PlainText"})
	return bot.Answer{Messages: []json.RawMessage{shown}, Intent: intent, State: "Fulfilled"}, err
}
