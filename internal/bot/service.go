package bot

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options of a Service. All but EditEvery are required.
type Options struct {
	Store    store.Store
	Site     chime.Site
	Now      func() time.Time
	Log      *slog.Logger
	Random   io.Reader // spreads waits; safe for concurrent use
	Queue    *Queue
	Messages *message.Service
	Ends     Ends
	// EditEvery is the least time between two edits of an answer that is being written; zero means
	// DefaultEditEvery.
	EditEvery time.Duration
}

// DefaultEditEvery is often enough for readers.
const DefaultEditEvery = 500 * time.Millisecond

// Service finds the turns of bots and takes them.
type Service struct {
	o       Options
	backoff follow.Backoff // of the store
	slots   *follow.Slots[End]
	counts  counts
	places  places
}

// New makes a Service.
func New(o Options) *Service {
	if o.EditEvery <= 0 {
		o.EditEvery = DefaultEditEvery
	}
	return &Service{
		o: o, slots: follow.NewSlots[End](atOnce), places: places{of: map[string]map[string]struct{}{}, held: map[string]struct{}{}},
		backoff: follow.Backoff{First: time.Second, Most: time.Minute, Random: o.Random},
	}
}

// Silent counts the bots that have no end.
func (s *Service) Silent(ctx context.Context) (n int, err error) {
	err = s.o.Store.View(ctx, "", func(r store.Reader) error {
		n = 0
		return store.Bots.Each(r, store.Range{}, func(_ store.Key, bot chime.Bot) (bool, error) {
			if s.o.Ends(bot.Lex.AliasARN) == nil {
				n++
			}
			return true, nil
		})
	})
	return n, err
}

// said is a message that a bot answers.
type said struct {
	id, text    string
	sender      string // ARN
	name        string // of the sender
	targeted    bool
	persistence messaging.ChannelMessagePersistenceType
}

// heard is the message of an event, which is not persistent.
func heard(e *chime.Event) (*said, error) {
	m, err := read(e)
	return &said{
		id: m.MessageID, text: m.Content, sender: m.Sender.Arn, name: m.Sender.Name, targeted: len(m.Target) > 0,
		persistence: messaging.ChannelMessagePersistenceTypeNonPersistent,
	}, err
}

// scene is what a turn is about, as it is when the turn is taken.
type scene struct {
	end     End
	session Session
	key     string // UUID of the turn
	bearer  string // ARN of the bot
	intent  string // to greet with
	flow    bool   // what is sent there passes a channel flow
	said    *said  // nil for a turn that answers nothing
	sub     *string
}

// look reads what a turn is about. found is false when there is nothing left to do: the bot, its membership,
// its end, the channel or the message is gone.
func (s *Service) look(ctx context.Context, t *turn) (sc *scene, found bool, err error) {
	sc = &scene{
		bearer: s.o.Site.RefARN(t.app, chime.BotRef(t.Bot)), said: t.said,
		key: nameOf("turn", t.app, t.Channel.UID, t.Session, t.Message, string(t.key)),
		session: Session{
			ID: t.Session, Alias: t.Alias, Locale: t.Locale, ChannelARN: s.o.Site.ChannelARN(t.app, t.Channel.ChannelID),
		},
	}
	if t.Channel.Sub != "" {
		sc.sub = &t.Channel.Sub
	}

	if t.Do != chime.BotLeaves {
		there, err := s.lookInside(ctx, t, sc)
		if err != nil || !there {
			return sc, false, err
		}
	}
	if sc.end = s.o.Ends(sc.session.Alias); sc.end == nil {
		return sc, false, nil
	}
	if t.Do != chime.BotAnswers || sc.said != nil {
		return sc, true, nil
	}
	sc.said, err = s.lookAtMessage(ctx, t, sc)
	return sc, sc.said != nil, err
}

// lookInside reads the bot in its channel.
func (s *Service) lookInside(ctx context.Context, t *turn, sc *scene) (there bool, err error) {
	err = s.o.Store.View(ctx, t.app, func(r store.Reader) error {
		bot, found, err := store.Bots.Get(r, store.K(t.app, t.Bot))
		if there = found; err != nil || !found {
			return err
		}
		channel, found, err := store.Channels.Get(r, store.K(t.app, t.Channel.ChannelID))
		if there = found && channel.UID == t.Channel.UID; err != nil || !there {
			return err
		}
		member, found, err := store.Memberships.Get(r, store.MembershipKey(t.app, t.Channel.UID, chime.BotRef(t.Bot), t.Channel.Sub))
		there = found && speaks(&member)
		sc.session.Alias, sc.session.Locale, sc.intent = bot.Lex.AliasARN, bot.Lex.LocaleID, bot.Lex.WelcomeIntent
		sc.flow = channel.Flow != ""
		return err
	})
	return there, err
}

// lookAtMessage reads the message as the bot sees it, nil when it is gone.
func (s *Service) lookAtMessage(ctx context.Context, t *turn, sc *scene) (*said, error) {
	resp, err := s.o.Messages.GetChannelMessage(ctx, &messaging.GetChannelMessageRequest{
		ChannelARN: sc.session.ChannelARN, MessageID: t.Message, ChimeBearer: sc.bearer, SubChannelID: sc.sub,
	})
	if refused(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := resp.ChannelMessage
	if m.Redacted || m.Content == nil {
		return nil, nil
	}
	return &said{id: m.MessageID, text: *m.Content, sender: m.Sender.ARN, name: m.Sender.Name, targeted: len(m.Target) > 0, persistence: m.Persistence}, nil
}
