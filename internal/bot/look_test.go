package bot_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing/synctest"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// look waits until nothing moves, and returns the events for sockets since the last look, with names in
// place of the ids of bots.
func (b *bed) look() string {
	synctest.Wait()
	events := strings.Join(b.World.Events(), "\n")
	for name, arn := range b.bots {
		events = strings.ReplaceAll(events, arn[strings.LastIndexByte(arn, '/')+1:], name)
	}
	return events
}

// lists is what a user reads of a channel: sender, target, type and content of each message.
func (b *bed) lists(by, channel string) string {
	b.t.Helper()
	synctest.Wait()
	resp, err := b.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{
		ChannelARN: b.Channel(channel), ChimeBearer: b.User(by), SortOrder: messaging.SortOrderAscending,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, m := range resp.ChannelMessages {
		all = append(all, strings.ToLower(m.Sender.Name)+": "+text(m.Content, m.ContentType))
	}
	return strings.Join(all, ", ")
}

// text is the text of a message, of one of Lex that of its messages.
func text(content *string, contentType string) string {
	var lex struct{ Messages []struct{ Content string } }
	switch {
	case content == nil:
		return "(redacted)"
	case contentType != "application/amz-chime-lex-msgs":
		return *content
	case json.Unmarshal([]byte(*content), &lex) != nil:
		return "unreadable " + *content
	}
	var texts []string
	for _, m := range lex.Messages {
		texts = append(texts, m.Content)
	}
	return strings.Join(texts, "+")
}

// newest is the newest message of c as ann sees it.
func (b *bed) newest() messaging.ChannelMessageSummary {
	b.t.Helper()
	synctest.Wait()
	resp, err := b.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("ann")})
	if err != nil || len(resp.ChannelMessages) == 0 {
		b.t.Fatalf("%+v, %v", resp, err)
	}
	return resp.ChannelMessages[0]
}

// notices are the reasons of the failures in the log since it began.
func (b *bed) notices() (reasons []string) {
	b.t.Helper()
	synctest.Wait()
	cursor, err := b.Store.Follow(b.AppID(), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cursor.Close()
	for {
		events, _, err := cursor.Poll()
		if err != nil || len(events) == 0 {
			return reasons
		}
		for _, e := range events {
			var detail struct {
				ResourceArn, FailureReason string
			}
			if e.Type == chime.EventBotFailure && json.Unmarshal(e.Payload, &detail) == nil && strings.HasPrefix(detail.ResourceArn, b.App+"/bot/") {
				reasons = append(reasons, detail.FailureReason)
			}
		}
	}
}

// left counts the turns and conversations that are stored.
func (b *bed) left() (turns, sessions int) {
	b.t.Helper()
	synctest.Wait()
	err := b.Store.View(ctx, b.AppID(), func(r store.Reader) error {
		if err := store.BotTurns.Each(r, store.Range{}, func(store.Key, chime.BotTurn) (bool, error) { turns++; return true, nil }); err != nil {
			return err
		}
		return store.BotSessions.Each(r, store.Range{}, func(store.Key, chime.BotSession) (bool, error) { sessions++; return true, nil })
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return turns, sessions
}

func (b *bed) expect(what string, got, want any) {
	b.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// mentioning has a message name bots in the attribute.
func (b *bed) mentioning(names ...string) func(*messaging.SendChannelMessageRequest) {
	return func(r *messaging.SendChannelMessageRequest) {
		var arns []string
		for _, name := range names {
			arns = append(arns, b.bots[name])
		}
		r.MessageAttributes = map[string]messaging.MessageAttributeValue{"CHIME.mentions": {StringValues: arns}}
	}
}

// to targets a message to a bot.
func (b *bed) to(name string) func(*messaging.SendChannelMessageRequest) {
	return func(r *messaging.SendChannelMessageRequest) {
		arn := b.bots[name]
		r.Target = []messaging.Target{{MemberARN: &arn}}
	}
}

func control(r *messaging.SendChannelMessageRequest) { r.Type = messaging.ChannelMessageTypeControl }

func live(r *messaging.SendChannelMessageRequest) {
	r.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
}

// rewind has the follower begin anew at the beginning of the log, as after the loss of its position.
func (b *bed) rewind() {
	b.t.Helper()
	err := b.Store.Update(ctx, b.AppID(), func(tx store.Tx) error {
		return store.Followings.Put(tx, store.K(b.AppID(), bot.FollowerName), chime.Following{})
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// newestOf is the id of the newest message of a user in c.
func (b *bed) newestOf(user string) string {
	b.t.Helper()
	resp, err := b.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User(user)})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range resp.ChannelMessages {
		if m.Sender.ARN == b.User(user) {
			return m.MessageID
		}
	}
	b.t.Fatalf("%s has said nothing", user)
	return ""
}
