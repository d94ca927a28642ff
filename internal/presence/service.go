package presence

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/store"
)

// DefaultInterval is how long changes are gathered before they are sent.
const DefaultInterval = time.Second

// Options of a Service. Store, Bus, Hub and Site are required.
type Options struct {
	Store    store.Store
	Bus      bus.Publisher
	Hub      *realtime.Hub // without sessions yet
	Site     chime.Site
	Interval time.Duration    // zero means DefaultInterval
	Now      func() time.Time // nil means time.Now
	Log      *slog.Logger     // nil means none
}

// Service sends changes of presence and snapshots. Deliver is safe for concurrent use; Run and Flush belong to one
// goroutine.
type Service struct {
	o        Options
	sessions *sessions
	held     held
	boards   map[string]*board // by app instance
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
	return &Service{o: o, sessions: watch(o.Hub.Watch()), boards: make(map[string]*board)}
}

// Deliver takes events in the order in which the hub has delivered them. It does not block.
func (s *Service) Deliver(events []*chime.Event) {
	for _, e := range events {
		s.sessions.follow(e)
		if e.Kind().Extra == chime.ExtraPresence {
			for _, snapshot := range s.held.take(e.Topic) {
				s.send(snapshot)
			}
		}
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

// Flush sends what has changed since the last call. It logs which app instance cannot be read and tries
// that again the next time.
func (s *Service) Flush(ctx context.Context) {
	for _, snapshot := range s.held.takeAll() { // the change, which is ephemeral, may be lost
		s.send(snapshot)
	}
	for app, all := range s.sessions.take() {
		if s.boards[app] == nil {
			s.boards[app] = newBoard(app)
		}
		s.boards[app].hear(all)
	}
	for app, b := range s.boards {
		if err := s.flush(ctx, b); err != nil && ctx.Err() == nil {
			s.o.Log.Error("presence: flush failed, will retry", "app_instance", app, "error", err)
		}
		if b.isEmpty() {
			delete(s.boards, app)
		}
	}
}

// flush sends what has changed in one app instance.
func (s *Service) flush(ctx context.Context, b *board) error {
	found, err := s.read(ctx, b)
	if err != nil {
		return err
	}
	wanted := b.update(found)
	changes := b.due()

	// A snapshot follows the change of its channel that is published now, and precedes the next one.
	for topic, users := range wanted {
		_, changes := changes[topic]
		s.snapshot(b, topic, users, changes)
	}
	var events []chime.Event
	for topic, c := range changes {
		events = append(events, s.event(b, topic, s.payload(b, topic, c.channelID, c.online, c.offline)))
	}
	if len(events) > 0 {
		s.o.Bus.Publish(b.app, b.position, events...)
	}
	return nil
}

// read reads the memberships of the online users with news, at one moment.
func (s *Service) read(ctx context.Context, b *board) (map[chime.Ref]map[chime.Topic]membership, error) {
	if len(b.news) == 0 {
		return nil, nil
	}
	found := make(map[chime.Ref]map[chime.Topic]membership)
	err := s.o.Store.View(ctx, b.app, func(r store.Reader) (err error) {
		if b.position, err = r.Position(); err != nil {
			return err
		}
		for user, is := range b.news {
			if !is.online {
				continue
			}
			if found[user], err = memberships(r, b.app, user); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// memberships reads the memberships of a user.
func memberships(r store.Reader, app string, user chime.Ref) (map[chime.Topic]membership, error) {
	all := make(map[chime.Topic]membership)
	list := store.Prefix(store.K(app, string(user)))
	err := store.MembershipsOf.Each(r, list, func(_ store.Key, at chime.ChannelEntry) (bool, error) {
		m, found, err := store.Memberships.Get(r, store.MembershipKey(app, at.UID, user, at.Sub))
		if err != nil {
			return false, fmt.Errorf("channel %s: %w", at.ChannelID, err)
		}
		if found {
			topic := chime.Topic{App: app, Channel: at.UID, Sub: at.Sub}
			all[topic] = membership{at.ChannelID, m.Order, m.Type == messaging.ChannelMembershipTypeHidden}
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("memberships of %s: %w", user, err)
	}
	return all, nil
}

// snapshot sends users the snapshot of a channel: now, or behind the change of the channel that is about to
// be published.
func (s *Service) snapshot(b *board, topic chime.Topic, users []chime.Ref, changes bool) {
	channelID := b.users[users[0]].memberships[topic].channelID
	payload := s.payload(b, topic, channelID, b.shown[topic], nil)
	payload.Complete = len(b.shown[topic]) <= maxNames
	e := s.event(b, topic, payload)
	for _, user := range users {
		own := e // the hub keeps it
		if changes {
			s.held.add(topic, snapshot{user, &own})
		} else {
			s.send(snapshot{user, &own})
		}
	}
}

func (s *Service) send(own snapshot) {
	s.o.Hub.SendTo(own.event.App, own.user, chime.ExtraPresence, own.event)
}
