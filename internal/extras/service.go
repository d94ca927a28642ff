package extras

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/unread"
)

// DefaultInterval is how long changes are gathered before they are told.
const DefaultInterval = time.Second

// Roster knows who is online and listens; realtime.Hub is one.
type Roster interface {
	// Listeners are the online members whom an event of the channel reaches and who asked for the extra.
	Listeners(e *chime.Event, extra realtime.Extras) []chime.Ref
	// Listens reports whether a user is online and asked for the extra.
	Listens(app string, user chime.Ref, extra realtime.Extras) bool
}

// Options of a Service. Store, Site and Counter are required.
type Options struct {
	Store   store.Store
	Site    chime.Site
	Counter *unread.Counter
	// Always are the extras that every app instance has.
	Always   realtime.Extras
	Interval time.Duration    // zero means DefaultInterval
	Now      func() time.Time // nil means time.Now
	Log      *slog.Logger     // nil means none
}

// Service sees to the extras. It is safe for concurrent use, except that Deliver belongs to one
// goroutine and so does Flush.
type Service struct {
	o        Options
	roster   Roster
	presence *presence
	unread   *tallies
	typists  chan struct{} // a place for each call that is being looked at
}

var _ realtime.Companion = (*Service)(nil)

// New makes a Service. Use has to be called before anything else.
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
	return &Service{o: o, presence: newPresence(), unread: newTallies(), typists: make(chan struct{}, maxTypists)}
}

// Use tells who is online. The hub needs the service first, so it comes later.
func (s *Service) Use(r Roster) { s.roster = r }

// Allowed are the extras that the app instance has.
func (s *Service) Allowed(r store.Reader, app string) (realtime.Extras, error) {
	tags, _, err := store.Tags.Get(r, store.TagsKey(chime.Resource{App: app, Kind: chime.KindAppInstance}))
	allowed := s.o.Always
	for _, tag := range tags {
		if tag.Key == chime.ExtrasTag {
			allowed |= chime.ParseExtras(strings.Split(tag.Value, " "))
		}
	}
	return allowed, err
}

// Deliver takes the events of the log after the hub.
func (s *Service) Deliver(events []*chime.Event) {
	for _, e := range events {
		s.presence.follow(e)
		s.followUnread(e)
	}
}

// Run tells what changed, once in an interval, until ctx ends, which is no error.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.o.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Error("cannot tell presence and unread counts; it is tried again", "error", err)
		}
	}
}

// Flush tells what changed. What could not be read is told the next time.
func (s *Service) Flush(ctx context.Context) error {
	if err := s.flushPresence(ctx); err != nil {
		return err
	}
	return s.flushUnread(ctx)
}

// person is a user of an app instance.
type person struct {
	app string
	ref chime.Ref
}

// eventOf is an event of an extra. The payload is a structure that JSON can hold.
func eventOf(kind string, at chime.Topic, now time.Time, payload any) chime.Event {
	text, _ := json.Marshal(payload) // cannot fail
	return chime.Event{
		Time: chime.At(now), Type: kind, Topic: at,
		MessageType: chime.MessageTypeSystem, Payload: text,
	}
}

// tell puts events into the live order.
func (s *Service) tell(events []chime.Event) {
	if len(events) > 0 {
		s.o.Store.Announce(events...)
	}
}
