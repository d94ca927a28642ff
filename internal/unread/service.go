package unread

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/store"
)

// DefaultInterval is how long changes are gathered before they are sent.
const DefaultInterval = time.Second

// Options of a Service. Store, Counter, Hub and Site are required.
type Options struct {
	Store    store.Store
	Counter  *Counter
	Hub      *realtime.Hub // without sessions yet
	Site     chime.Site
	Interval time.Duration    // zero means DefaultInterval
	Now      func() time.Time // nil means time.Now
	Log      *slog.Logger     // nil means none
}

// Service sends unread counts to the sessions that get them. Deliver is safe for concurrent use;
// Run and Flush belong to one goroutine.
type Service struct {
	o        Options
	sessions *realtime.Watcher
	tallies  *tallies
}

// New makes a Service that hears of the hub's sessions.
func New(o Options) *Service {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o, sessions: o.Hub.Watch(), tallies: newTallies()}
}

// Deliver notes the counts that events may change. It takes them in the order of the log, after the hub has
// delivered them, and does not block.
func (s *Service) Deliver(events []*chime.Event) {
	for _, e := range events {
		s.follow(e)
	}
}

func (s *Service) follow(e *chime.Event) {
	kind := e.Kind()
	switch {
	case kind.Unread, kind.Recounts == chime.OfMessage:
		s.followMessage(e)
	case kind.Recounts == chime.OfApp:
		s.tallies.changedAll(e.App)
	case kind.Recounts == chime.OfSubject:
		s.changed(e.Subject, e.Topic)
	}
	for _, ref := range e.Leave {
		s.tallies.end(membership{ref, e.Topic})
	}
	for _, ref := range e.Join {
		s.changed(ref, e.Topic)
	}
}

// followMessage notes that an event of a message may change the counts of all members that get it.
func (s *Service) followMessage(e *chime.Event) {
	if e.Ephemeral || e.MessageType != string(messaging.ChannelMessageTypeStandard) {
		return
	}
	for _, ref := range s.o.Hub.Listeners(e, chime.ExtraUnread) {
		m := membership{ref, e.Topic}
		if e.Kind().Unread {
			s.tallies.created(m, e)
		} else {
			s.tallies.changed(m)
		}
	}
}

func (s *Service) changed(ref chime.Ref, topic chime.Topic) {
	if s.o.Hub.Listens(topic.App, ref, chime.ExtraUnread) {
		s.tallies.changed(membership{ref, topic})
	}
}

// Run calls Flush once an interval until ctx ends. It returns nil.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.o.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			s.Flush(ctx)
		}
	}
}

// Flush sends the counts that have changed since the last call. It logs which cannot be read, by app
// instance, and tries them again the next time.
func (s *Service) Flush(ctx context.Context) {
	// In this order: what an absence of the user has made wrong is forgotten before it is sent.
	dirty := s.tallies.take()
	for _, c := range s.sessions.Take() {
		if c.Left {
			s.tallies.forget(c.UserKey)
		}
	}

	for app, memberships := range dirty {
		var failed []membership
		var first error
		for _, m := range memberships {
			if err := s.send(ctx, m); err != nil {
				failed, first = append(failed, m), cmp.Or(first, err)
			}
		}
		if len(failed) > 0 && ctx.Err() == nil {
			s.o.Log.Error("unread: flush failed, will retry", "app_instance", app, "channel", failed[0].topic.Channel,
				"user", string(failed[0].user), "error", first, "failed", len(failed))
		}
		s.tallies.again(failed)
	}
}

// send sends the count of a membership unless it was sent before. The event follows what the log has up
// to where the count is exact.
func (s *Service) send(ctx context.Context, m membership) error {
	if !s.o.Hub.Listens(m.topic.App, m.user, chime.ExtraUnread) {
		s.tallies.forget(m.owner())
		return nil
	}
	if s.tallies.startReading(m) {
		now, channelID, err := s.read(ctx, m)
		s.tallies.finishReading(m, now, channelID, err)
		if errors.Is(err, ErrNotMember) {
			s.tallies.end(m)
			return nil
		}
		if err != nil {
			return err
		}
	}
	if t, ok := s.tallies.news(m); ok {
		s.o.Hub.SendTo(m.topic.App, m.user, chime.ExtraUnread, s.event(m, &t))
	}
	return nil
}

// read counts for a membership, and finds the id of its channel.
func (s *Service) read(ctx context.Context, m membership) (now Reading, channelID string, err error) {
	err = s.o.Store.View(ctx, m.topic.App, func(r store.Reader) error {
		at, err := entryOf(r, m)
		if err != nil {
			return err
		}
		channelID = at.ChannelID
		now, err = s.o.Counter.Read(r, m.topic.App, m.user, at)
		return err
	})
	return now, channelID, err
}

// entryOf finds a membership on the list of its member. It returns ErrNotMember when it has ended.
func entryOf(r store.Reader, m membership) (at chime.ChannelEntry, err error) {
	found, ok, err := store.Memberships.Get(r, store.MembershipKey(m.topic.App, m.topic.Channel, m.user, m.topic.Sub))
	if err != nil {
		return at, err
	}
	if ok {
		at, ok, err = store.MembershipsOf.Get(r, store.ChannelEntryKey(m.topic.App, m.user, found.Order, m.topic.Channel))
	}
	if err == nil && !ok {
		err = ErrNotMember
	}
	return at, err
}

// payload is the payload of UNREAD_COUNT.
type payload struct {
	ChannelArn          string
	SubChannelId        string `json:",omitempty"`
	UnreadCount         uint64
	ReadMarkerTimestamp json.RawMessage `json:",omitempty"`
}

func (s *Service) event(m membership, t *tally) *chime.Event {
	p := payload{ChannelArn: s.o.Site.ChannelARN(m.topic.App, t.channelID), SubChannelId: m.topic.Sub, UnreadCount: t.Count}
	if t.Marker != 0 {
		p.ReadMarkerTimestamp = api.ISO.Append(nil, t.Marker.Time())
	}
	text, _ := json.Marshal(p) // cannot fail
	return &chime.Event{
		Position: t.Position, Ephemeral: true, Time: chime.At(s.o.Now()), Type: chime.EventUnreadCount, Topic: m.topic,
		MessageType: chime.MessageTypeSystem, Payload: text,
	}
}
