package message

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options of a Service.
type Options struct {
	Store  store.Store
	Site   chime.Site
	Now    func() time.Time
	Random io.Reader
	Tokens idempotency.Tokens // remembers client request tokens
	Bus    bus.Publisher      // carries messages that are not persistent
	Log    *slog.Logger       // nil: nothing is logged
	// Processors invoke those of channel flows; nil: none can be invoked.
	Processors Processors
	// Notify is given what was published, of the messages that are not persistent, with a notification; nil:
	// none are pushed. It does not block.
	Notify func(app string, at chime.ChannelEntry, m *chime.Message)
	// Clock says how long messages have waited for their channel flows; nil: it stands still.
	Clock *store.Clock
	// EmptyContent gives redacted and deleted messages an empty Content instead of none, for
	// clients that cannot decode a message without one (spec 12.5 #57).
	EmptyContent bool
}

// Service answers the operations on messages.
type Service struct {
	store  store.Store
	site   chime.Site
	clock  func() time.Time
	random io.Reader
	tokens idempotency.Tokens
	live   idempotency.Recent // tokens of messages that are not persistent
	bus    bus.Publisher
	log    *slog.Logger
	newest newest

	processors Processors
	notify     func(app string, at chime.ChannelEntry, m *chime.Message)
	storeTime  *store.Clock
	passing    liveFlows

	emptyContent bool
}

// New makes a Service.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Processors == nil {
		o.Processors = noProcessors{}
	}
	if o.Notify == nil {
		o.Notify = func(string, chime.ChannelEntry, *chime.Message) {}
	}
	return &Service{
		processors: o.Processors, notify: o.Notify, storeTime: o.Clock, passing: newLiveFlows(),
		store: o.Store, site: o.Site, clock: o.Now, random: o.Random, log: o.Log, emptyContent: o.EmptyContent,
		tokens: o.Tokens, bus: o.Bus, newest: newNewest(newestBytes),
	}
}

func (s *Service) now() chime.Millis { return chime.At(s.clock()) }

// entrance is a way into a channel: channel.EnterSub, or one for sends.
type entrance func(r store.Reader, site chime.Site, bearer, channelARN string, sub *string) (*channel.Visit, error)

// sender is the way in for sends that have nothing more to read.
func sender(r store.Reader, site chime.Site, bearer, channelARN string, sub *string) (*channel.Visit, error) {
	return channel.EnterSender(r, site, bearer, channelARN, sub, nil)
}

// senderWith is the way in for sends with a client request token, whose answer is read along the way.
func senderWith(call *idempotency.Call) entrance {
	return func(r store.Reader, site chime.Site, bearer, channelARN string, sub *string) (*channel.Visit, error) {
		ahead := call.Lookups()
		v, err := channel.EnterSender(r, site, bearer, channelARN, sub, ahead)
		call.Read(ahead)
		return v, err
	}
}

// view runs f on one moment, for a caller on a channel. The operation is named when it is refused.
func (s *Service) view(ctx context.Context, operation, bearer, channelARN string, sub *string, f func(store.Reader, *channel.Visit) error) error {
	return s.viewBy(ctx, channel.EnterSub, operation, bearer, channelARN, sub, f)
}

// update runs f as a transaction, for a caller on a channel.
func (s *Service) update(ctx context.Context, operation, bearer, channelARN string, sub *string, f func(store.Tx, *channel.Visit) error) error {
	return s.updateBy(ctx, channel.EnterSub, operation, bearer, channelARN, sub, f)
}

func (s *Service) viewBy(ctx context.Context, enter entrance, operation, bearer, channelARN string, sub *string, f func(store.Reader, *channel.Visit) error) error {
	return s.store.View(ctx, s.site.AppOf(channelARN), func(r store.Reader) error {
		v, err := enter(r, s.site, bearer, channelARN, sub)
		if err == nil {
			err = f(r, v)
		}
		return v.Explain(operation, err)
	})
}

func (s *Service) updateBy(ctx context.Context, enter entrance, operation, bearer, channelARN string, sub *string, f func(store.Tx, *channel.Visit) error) error {
	return s.store.Update(ctx, s.site.AppOf(channelARN), func(tx store.Tx) error {
		v, err := enter(tx, s.site, bearer, channelARN, sub)
		if err == nil {
			err = f(tx, v)
		}
		return v.Explain(operation, err)
	})
}

// errNoMessage is what most operations answer for a message that does not exist, or that the
// caller cannot see (spec 12.5 #61).
var errNoMessage error = api.Forbidden("MessageId does not name a message that you may use")

// find reads a message of the channel as far as the caller can see it.
func (s *Service) find(r store.Reader, v *channel.Visit, id string) (chime.Message, bool, error) {
	m, found, err := store.Messages.Get(r, key(v, id))
	if err != nil || !found || !sees(v, &m) {
		return m, false, err
	}
	oldest, err := s.Oldest(r, v)
	return m, m.Created >= oldest, err
}

func key(v *channel.Visit, id string) store.Key { return v.History().Str(id) }

// sees: a targeted message exists for its sender and its target alone, and one that is not sent
// for its sender (rules q, r).
func sees(v *channel.Visit, m *chime.Message) bool {
	return v.Actor.Sent(m) || sent(m) && (m.Target == "" || v.Actor.Addressed(m))
}

// appendEvent puts the event of a message at the end of the log.
func (s *Service) appendEvent(tx store.Tx, kind string, v *channel.Visit, m *chime.Message, sender *messaging.Identity) error {
	e, err := s.event(tx, kind, v, m, sender)
	if err == nil {
		_, err = tx.Append(e)
	}
	return err
}

// shownRoom is enough for what is shown of most messages without what the sender wrote.
const shownRoom = 768

// event is the event of a message: for the members, of a targeted one for sender and target, and of
// one that is not sent for its sender. Those of them that are no members any more get none; an
// event without audience is in the log alone.
func (s *Service) event(r store.Reader, kind string, v *channel.Visit, m *chime.Message, sender *messaging.Identity) (e chime.Event, err error) {
	e = chime.Event{
		Type: kind, Time: m.Updated, Topic: chime.Topic{App: v.Actor.App, Channel: v.Channel.UID, Sub: m.Sub},
		Subject: m.Sender, MessageType: string(m.Type), Payload: s.show(v, m, sender).AppendJSON(make([]byte, 0, len(m.Content)+len(m.Metadata)+shownRoom), api.ISO),
		Object: m.ID, ChannelID: v.Channel.ID, Target: m.Target, Actor: v.Actor.Ref,
		Push: m.Push != nil && chime.EventKindOf(kind).Pushes,
	}

	switch {
	case !sent(m):
		e.Unsent = e.Kind().Status == messaging.ChannelMessageStatusSent // of its outcomes the kind says so
		e.Only, err = v.Among(r, m, m.Sender)
	case m.Target != "":
		e.Only, err = v.Among(r, m, m.Sender, m.Target)
	default:
		return e, nil
	}
	if len(e.Only) == 0 {
		e.MessageType = ""
	}
	return e, err
}
