package bot

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// FollowerName is the name of the follower that finds turns.
const FollowerName = "bots"

// stale is how old an event may be that gives a turn: after a node was without bots for a while, an answer
// comes too late.
const stale = time.Hour

// mentions is the attribute of messages that names the bots which are asked.
const mentions = "CHIME.mentions"

// Follower finds the turns of bots in the log. It begins where the log ends, so that bots do not answer
// what was sent before there was an end for them.
func (s *Service) Follower() follow.Follower {
	return follow.Follower{
		Name: FollowerName, Start: follow.End, MaxAttempts: -1, // it fails with the store alone
		Wants: s.wants, Begin: s.begin, Handle: s.handle,
	}
}

func (s *Service) wants(e *chime.Event) bool {
	if joins(e) {
		s.places.add(e.App, e.Channel) // before the messages behind it are looked at
		return true
	}
	return leaves(e) || asks(e) && s.places.has(e.App, e.Channel)
}

// asks reports whether bots may have to answer the message of the event.
func asks(e *chime.Event) bool {
	return e.Kind().Asks && e.MessageType == string(messaging.ChannelMessageTypeStandard) && e.Subject.IsUser()
}

func joins(e *chime.Event) bool {
	return e.Kind().BeginsMemberships && slices.ContainsFunc(e.Join, isBot)
}

func leaves(e *chime.Event) bool {
	return e.Kind().EndsMemberships || slices.ContainsFunc(e.Leave, isBot)
}

func isBot(ref chime.Ref) bool { return !ref.IsUser() }

// handle keeps the turns that events give, each once: the position of the latest event that gave some is
// kept with them.
func (s *Service) handle(ctx context.Context, app string, events []*chime.Event) error {
	some := false
	err := s.o.Store.View(ctx, app, func(r store.Reader) error {
		for _, e := range events {
			turns, err := s.find(r, app, e)
			if some = len(turns) > 0; some || err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !some {
		return follow.ErrNothing
	}

	// Each event sees what those before it left.
	var kept []turn
	err = s.o.Store.Update(ctx, app, func(tx store.Tx) error {
		kept = nil
		if err := follow.Check(ctx, tx); err != nil {
			return err
		}
		mark, _, err := store.Counts.Get(tx, markKey(app))
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.Position <= mark { // its turns were kept before, and may be done
				continue
			}
			turns, err := s.find(tx, app, e)
			if err != nil {
				return err
			}
			for _, t := range turns {
				if err := keep(tx, &t, e.Position); err != nil {
					return err
				}
				kept = append(kept, t)
			}
		}
		return store.Counts.Put(tx, markKey(app), max(mark, events[len(events)-1].Position))
	})
	if err == nil {
		s.o.Queue.lanes.Add(kept...)
	}
	return err
}

// markKey is where the position of the latest event is kept whose turns are.
func markKey(app string) store.Key { return store.K(app, "bots") }

// keep writes the record of a turn that an event gave, and notes that its conversation begins or ends.
func keep(tx store.Tx, t *turn, position uint64) error {
	t.key = store.K(t.app).Num(position).Str(t.Bot).Str(t.Session)
	if err := store.BotTurns.Put(tx, t.key, t.BotTurn); err != nil {
		return err
	}
	if t.Do == chime.BotLeaves {
		return store.BotSessions.Delete(tx, t.sessionKey())
	}
	return converse(tx, t)
}

// converse notes that a conversation may begin.
func converse(tx store.Tx, t *turn) error {
	now := chime.BotSession{Alias: t.Alias, Locale: t.Locale, Sub: t.Channel.Sub}
	before, found, err := store.BotSessions.Get(tx, t.sessionKey())
	if err != nil || found && before == now {
		return err
	}
	return store.BotSessions.Put(tx, t.sessionKey(), now)
}

func (t *turn) sessionKey() store.Key { return store.K(t.app, t.Channel.UID, t.Bot, t.Session) }

// find returns the turns that an event gives.
func (s *Service) find(r store.Reader, app string, e *chime.Event) ([]turn, error) {
	switch {
	case leaves(e):
		return s.findLeaves(r, app, e)
	case chime.At(s.o.Now())-e.Time > chime.Millis(stale/time.Millisecond):
		return nil, nil
	case joins(e):
		return s.findGreets(r, app, e)
	}
	return s.findAnswers(r, app, e)
}

// findLeaves ends the conversations of bots that are no members any more.
func (s *Service) findLeaves(r store.Reader, app string, e *chime.Event) (turns []turn, err error) {
	of := []store.Key{store.K(app, e.Channel)}
	if !e.Kind().EndsMemberships {
		of = nil
		for _, ref := range e.Leave {
			if isBot(ref) {
				of = append(of, store.K(app, e.Channel, ref.ID()))
			}
		}
	}

	for _, prefix := range of {
		err = store.BotSessions.Each(r, store.Prefix(prefix), func(key store.Key, session chime.BotSession) (bool, error) {
			columns, err := key.Columns()
			if err != nil || !e.Kind().EndsMemberships && session.Sub != e.Sub {
				return true, err
			}
			bot, _ := columns[2].(string)
			id, _ := columns[3].(string)
			turns = append(turns, turn{app: app, BotTurn: chime.BotTurn{
				Do: chime.BotLeaves, Bot: bot, Session: id, Alias: session.Alias, Locale: session.Locale,
				Channel: chime.ChannelEntry{ChannelID: e.ChannelID, UID: e.Channel, Sub: session.Sub},
			}})
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return turns, nil
}

// findGreets has bots with a welcome intent greet the channel that they joined.
func (s *Service) findGreets(r store.Reader, app string, e *chime.Event) (turns []turn, err error) {
	for _, ref := range e.Join {
		if !isBot(ref) {
			continue
		}
		bot, reached, err := s.reach(r, app, ref)
		if err != nil {
			return nil, err
		}
		member, found, err := store.Memberships.Get(r, store.MembershipKey(app, e.Channel, ref, e.Sub))
		if err != nil {
			return nil, err
		}
		if reached && found && speaks(&member) && bot.Lex.WelcomeIntent != "" {
			turns = append(turns, newTurn(chime.BotGreets, app, e, &bot, ""))
		}
	}
	return turns, nil
}

// reach reads a bot; found is false when it does not exist, or has no end.
func (s *Service) reach(r store.Reader, app string, ref chime.Ref) (bot chime.Bot, found bool, err error) {
	bot, found, err = store.Bots.Get(r, store.K(app, ref.ID()))
	return bot, found && s.o.Ends(bot.Lex.AliasARN) != nil, err
}

// speaks reports whether the member may send. A bot that may not is asked nothing.
func speaks(m *chime.Membership) bool { return m.Type == messaging.ChannelMembershipTypeDefault }

// findAnswers has the bots of a channel answer a message, as far as it is for them.
func (s *Service) findAnswers(r store.Reader, app string, e *chime.Event) (turns []turn, err error) {
	bots := store.Range{From: store.K(app, e.Channel, string(chime.BotRef(""))), To: store.K(app, e.Channel, "bot0")} // what follows bot/
	err = store.Memberships.Each(r, bots, func(_ store.Key, m chime.Membership) (bool, error) {
		joinedLater := !e.Ephemeral && m.Order > e.Position
		if !speaks(&m) || m.Sub != e.Sub || joinedLater {
			return true, nil
		}
		bot, found, err := s.reach(r, app, m.Ref)
		if err != nil || !found {
			return true, err
		}
		invoked, err := s.invokes(r, e, &bot)
		if err != nil || !invoked {
			return true, err
		}

		t := newTurn(chime.BotAnswers, app, e, &bot, e.Target)
		if t.Message = e.Object; e.Ephemeral {
			t.said, err = heard(e)
		}
		turns = append(turns, t)
		return true, err
	})
	return turns, err
}

// invokes reports whether the bot, a member, answers the message of the event.
func (s *Service) invokes(r store.Reader, e *chime.Event, bot *chime.Bot) (bool, error) {
	standard, targeted := identity.InvokedBy(bot.Lex)
	if e.Target != "" {
		return e.Target == chime.BotRef(bot.ID) && targeted == wire.TargetedMessagesAll, nil
	}
	switch standard {
	case wire.StandardMessagesAll:
		return true, nil
	case wire.StandardMessagesAuto:
		alone, err := isPair(r, e)
		if err != nil || alone {
			return alone, err
		}
		return s.isMentioned(e, bot)
	case wire.StandardMessagesMentions:
		return s.isMentioned(e, bot)
	}
	return false, nil
}

// isPair reports whether the channel, or the sub-channel, has two members that are not hidden.
func isPair(r store.Reader, e *chime.Event) (bool, error) {
	list := string(messaging.ChannelMembershipTypeDefault)
	if e.Sub != "" {
		list = "sub " + e.Sub
	}
	n := 0
	err := store.MembersInOrder.Each(r, store.Prefix(store.K(e.App, e.Channel, list)), func(store.Key, chime.Ref) (bool, error) {
		n++
		return n <= 2, nil
	})
	return n == 2, err
}

// isMentioned reports whether the message names the bot in its attribute.
func (s *Service) isMentioned(e *chime.Event, bot *chime.Bot) (bool, error) {
	m, err := read(e)
	arn := s.o.Site.RefARN(e.App, chime.BotRef(bot.ID))
	return slices.Contains(m.MessageAttributes[mentions].StringValues, arn), err
}

// newTurn is a turn of a bot in its conversation: with the channel, or with the sender of a message that is
// targeted to it.
func newTurn(do chime.BotTask, app string, e *chime.Event, bot *chime.Bot, target chime.Ref) turn {
	var with chime.Ref
	if target != "" {
		with = e.Subject
	}
	return turn{app: app, BotTurn: chime.BotTurn{
		Do: do, Bot: bot.ID, Channel: chime.ChannelEntry{ChannelID: e.ChannelID, UID: e.Channel, Sub: e.Sub},
		Session: nameOf("session", app, e.Channel, e.Sub, bot.ID, string(with)), Alias: bot.Lex.AliasARN, Locale: bot.Lex.LocaleID,
	}}
}

// namespace keeps names that are made of others apart from UUIDs of other origins.
var namespace = uuid.MustParse("0f2a7f0e-52b5-4f0a-8d43-6f8e1d1f3a55")

// nameOf is the UUID of something that other names say: each time the same one.
func nameOf(of ...string) string { return uuid.NewSHA1(namespace, store.K(of...)).String() }

// payload is what is read of the payload of a message's event.
type payload struct {
	MessageID         string `json:"MessageId"`
	Content           string
	Sender            struct{ Arn, Name string }
	MessageAttributes map[string]struct{ StringValues []string }
	Target            []struct{ MemberArn string }
}

func read(e *chime.Event) (m payload, err error) {
	if len(e.Payload) == 0 { // nothing is left of it
		return m, nil
	}
	return m, json.Unmarshal(e.Payload, &m)
}
