package extras

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/prefetch"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/store"
)

// unread knows whose counts may have changed, and what they were when they were told.
type unread struct {
	mu    sync.Mutex
	dirty map[person]map[spot]struct{}
	told  map[person]map[spot]uint64 // of those who are online
}

func newUnread() *unread {
	return &unread{dirty: make(map[person]map[spot]struct{}), told: make(map[person]map[spot]uint64)}
}

// forget drops what is known of somebody who went.
func (u *unread) forget(who person) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.dirty, who)
	delete(u.told, who)
}

func (u *unread) mark(who person, at spot) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.dirty[who] == nil {
		u.dirty[who] = make(map[spot]struct{})
	}
	u.dirty[who][at] = struct{}{}
}

func (u *unread) take() map[person]map[spot]struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	dirty := u.dirty
	u.dirty = make(map[person]map[spot]struct{})
	return dirty
}

// news reports whether a count is another than the one told before, and remembers it.
func (u *unread) news(who person, at spot, count uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.told[who] == nil {
		u.told[who] = make(map[spot]uint64)
	}
	before, known := u.told[who][at]
	u.told[who][at] = count
	return !known || before != count
}

// followUnread notes whose counts an event may change: those of all whom a message reaches, that of
// somebody who has read, that of a new member.
func (s *Service) followUnread(e *chime.Event) {
	at := spot{e.App, e.Channel, e.Sub}
	switch e.Type {
	case chime.EventCreateMessage, chime.EventRedactMessage, chime.EventDeleteMessage:
		if e.Ephemeral || e.MessageType != string(messaging.ChannelMessageTypeStandard) {
			return
		}
		for _, ref := range s.roster.Listeners(e, realtime.ExtraUnread) {
			s.unread.mark(person{e.App, ref}, at)
		}
	case chime.EventUpdateReadMarker:
		s.markListening(e.App, e.Subject, at)
	default:
		for _, ref := range e.Join {
			s.markListening(e.App, ref, at)
		}
	}
}

func (s *Service) markListening(app string, ref chime.Ref, at spot) {
	if s.roster.Listens(app, ref, realtime.ExtraUnread) {
		s.unread.mark(person{app, ref}, at)
	}
}

func (s *Service) flushUnread(ctx context.Context) error {
	dirty := s.unread.take()
	var events []chime.Event
	for _, who := range slices.SortedFunc(maps.Keys(dirty), comparePersons) {
		for at := range dirty[who] {
			e, err := s.count(ctx, who, at)
			if err != nil {
				for who, spots := range dirty { // those that are told already are no news then
					for at := range spots {
						s.unread.mark(who, at)
					}
				}
				s.tell(events)
				return err
			}
			if e != nil {
				events = append(events, *e)
			}
		}
	}
	s.tell(events)
	return nil
}

// unreadPayload is the payload of UNREAD_COUNT.
type unreadPayload struct {
	ChannelArn          string
	SubChannelId        string `json:",omitempty"`
	UnreadCount         uint64
	ReadMarkerTimestamp string `json:",omitempty"`
}

// count makes the event of a membership's count, nil when that is no news.
func (s *Service) count(ctx context.Context, who person, at spot) (*chime.Event, error) {
	if !s.roster.Listens(who.app, who.ref, realtime.ExtraUnread) {
		return nil, nil
	}
	var place chime.Place
	err := s.o.Store.View(ctx, func(r store.Reader) (err error) {
		place, err = placeOf(r, who, at)
		return err
	})
	if err != nil || place.UID == "" {
		return nil, err
	}
	n, marker, _, err := s.o.Prefetch.Unread(ctx, who.app, who.ref, place)
	if errors.Is(err, prefetch.ErrNoMember) {
		return nil, nil
	}
	if err != nil || !s.unread.news(who, at, n) {
		return nil, err
	}
	payload := unreadPayload{ChannelArn: s.o.Site.ChannelARN(who.app, place.ChannelID), SubChannelId: at.sub, UnreadCount: n}
	if marker != 0 {
		payload.ReadMarkerTimestamp = marker.Time().Format("2006-01-02T15:04:05.000Z")
	}
	text, _ := json.Marshal(payload) // cannot fail
	e := at.told(chime.EventUnreadCount, s.o.Now(), text)
	e.Only = []chime.Ref{who.ref}
	return &e, nil
}

// placeOf finds a membership on the list of its holder, nothing when it is over.
func placeOf(r store.Reader, who person, at spot) (place chime.Place, err error) {
	key := store.K(who.app, at.uid, string(who.ref))
	if at.sub != "" {
		key = key.Str(at.sub)
	}
	m, found, err := store.Memberships.Get(r, key)
	if err != nil || !found {
		return place, err
	}
	place, _, err = store.MembershipsOf.Get(r, store.K(who.app, string(who.ref)).Num(m.Order).Str(at.uid))
	return place, err
}

func comparePersons(a, b person) int {
	if a.app != b.app {
		return strings.Compare(a.app, b.app)
	}
	return strings.Compare(string(a.ref), string(b.ref))
}
