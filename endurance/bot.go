package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"

	"github.com/carillon-chat/carillon/endurance/processing"
)

// botAlias is the Lex bot alias of the bot of a run.
const (
	botAlias   = "arn:aws:lex:us-east-1:000000000000:bot-alias/ANSWERS000/ALIAS00000"
	botPattern = "arn:aws:lex:*:bot-alias/ANSWERS000/*"
)

// serveBot is where the bot is asked. It answers with what the message is marked by, and fails or ends its process at times.
func serveBot(ctx context.Context, s partSettings, out io.Writer) error {
	asked, err := openJournal(s, "questions")
	if err != nil {
		return err
	}
	return serveHTTP(ctx, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := answer(asked, w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}), out)
}

// question is an operation of Lex as it is posted to a bot.
type question struct{ Operation, SessionID, Text string }

func answer(asked *journal, w http.ResponseWriter, r *http.Request) error {
	var q question
	body, err := verified(r, processorSecret)
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	if err == nil {
		err = asked.note(q)
	}
	if err != nil || q.Operation != "RecognizeText" {
		return err
	}

	// It fails and ends at times, before and after it has answered.
	switch rand.IntN(40) {
	case 0:
		os.Exit(3)
	case 1, 2:
		return errors.New("this question is not to be answered")
	case 3:
		defer os.Exit(3)
	}
	text := processing.Answer(processing.Marker(q.Text))
	return json.NewEncoder(w).Encode(object{"messages": []object{{"content": text, "contentType": "PlainText"}}})
}

// makeBot makes the bot, which answers what mentions it.
func (c *chatter) makeBot(ctx context.Context) error {
	var made struct{ AppInstanceBotArn string }
	err := c.call(ctx, http.MethodPost, "/app-instance-bots", "", object{
		"AppInstanceArn": c.app, "Name": "Answers", "ClientRequestToken": "answers",
		"Configuration": object{"Lex": object{
			"LexBotAliasArn": botAlias, "LocaleId": "en_US", "InvokedBy": object{"StandardMessages": "MENTIONS", "TargetedMessages": "NONE"},
		}},
	}, &made)
	c.botARN = made.AppInstanceBotArn
	return err
}

// mention has a message mention the bot.
func (c *chatter) mention(request object) {
	request["MessageAttributes"] = object{"CHIME.mentions": object{"StringValues": []string{c.botARN}}}
}

// askLast asks the bot of each channel a last question and returns the answers to wait for, by channel: a conversation is answered in its
// order, so that the answer is the last one.
func (c *chatter) askLast(ctx context.Context) (answers map[*chat]string, err error) {
	answers = map[*chat]string{}
	for _, in := range c.chats {
		if in.bot == "" {
			continue
		}
		user := in.members[0]
		m := processing.Send{Channel: in.id(), Sender: suffix(c.users[user]), Content: "last-" + in.id(), Mentions: true, Began: now()}
		request := object{"Content": m.Content, "Type": "STANDARD", "Persistence": "PERSISTENT", "ClientRequestToken": m.Content}
		c.mention(request)
		var made struct{ MessageId string }
		if err := c.call(ctx, http.MethodPost, chatPath(in, "/messages"), c.users[user], request, &made); err != nil {
			return nil, err
		}
		m.ID, m.Ended = made.MessageId, now()
		c.sends = append(c.sends, m)
		answers[in] = processing.Answer(m.Content)
	}
	return answers, nil
}

// waitingAnswers are the latest messages of bots that wait for the flows of their channels, as the bots list them.
func (c *chatter) waitingAnswers(ctx context.Context) (ids []string, err error) {
	for _, in := range c.chats {
		if in.bot == "" {
			continue
		}
		var page struct{ ChannelMessages []messagePayload }
		if err := c.call(ctx, http.MethodGet, chatPath(in, "/messages?max-results=50"), c.botARN, nil, &page); err != nil {
			return nil, err
		}
		for _, m := range page.ChannelMessages {
			if m.Status.Value == "PENDING" {
				ids = append(ids, m.MessageId)
			}
		}
	}
	return ids, nil
}
