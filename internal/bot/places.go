package bot

import (
	"context"
	"log/slog"
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// places are the channels that bots are or were members of, by app instance, since this node follows its log. The
// follower is handed the messages of these alone: of all others a send costs a look here, and no transaction.
type places struct {
	mu   sync.RWMutex
	of   map[string]map[string]struct{} // app instance and UID of the channel; nil when that is not known
	held map[string]struct{}            // app instances whose bots this node has act
}

// hold notes that this node has the bots of an app instance act, and holds reports that.
func (p *places) hold(app string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[app] = struct{}{}
}

func (p *places) holds(app string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	_, held := p.held[app]
	return held
}

// has reports whether the channel may have bots.
func (p *places) has(app, channel string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	channels, known := p.of[app]
	_, has := channels[channel]
	return has || !known
}

// add notes that a bot joins a channel.
func (p *places) add(app, channel string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if channels, known := p.of[app]; known {
		channels[channel] = struct{}{}
	}
}

// learn notes the channels of an app instance, and forget that it is not held any more.
func (p *places) learn(app string, channels map[string]struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of[app] = channels
}

func (p *places) forget(app string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.of, app)
	delete(p.held, app)
}

// begin reads where the bots of an app instance are, before the first event of its log is read. Bots that join later
// do so by events. The turns that are left in it are this node's to take from now on.
func (s *Service) begin(ctx context.Context, app string) (end func()) {
	s.places.hold(app)
	s.o.Queue.lanes.ReadAgain()
	channels, err := s.placesOf(ctx, app)
	if err != nil {
		s.o.Log.LogAttrs(ctx, slog.LevelWarn, "bots: cannot read their channels, so all messages are looked at", slog.String("app_instance", app), slog.Any("error", err))
	} else {
		s.places.learn(app, channels)
	}
	return func() { s.places.forget(app) }
}

func (s *Service) placesOf(ctx context.Context, app string) (channels map[string]struct{}, err error) {
	err = s.o.Store.View(ctx, app, func(r store.Reader) error {
		channels = map[string]struct{}{}
		return store.Bots.Each(r, store.Prefix(store.K(app)), func(_ store.Key, bot chime.Bot) (bool, error) {
			of := store.Prefix(store.K(app, string(chime.BotRef(bot.ID))))
			return true, store.MembershipsOf.Each(r, of, func(_ store.Key, c chime.ChannelEntry) (bool, error) {
				channels[c.UID] = struct{}{}
				return true, nil
			})
		})
	})
	return channels, err
}
