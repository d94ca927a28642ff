package extras

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/unread"
)

// tallies keeps the counts of those who are online and listen. A count is read once; what is
// created afterwards is added, and anything else has it read again.
type tallies struct {
	mu      sync.Mutex
	tallies map[person]map[chime.Topic]*tally
	dirty   map[membership]struct{} // to be looked at
}

type membership struct {
	who person
	at  chime.Topic
}

// tally is the count of one membership.
type tally struct {
	count    uint64
	marker   chime.Millis // of reading, to be shown
	position uint64       // of the log, that the count is true at
	stale    bool         // it has to be read
	reading  bool
	told     bool // before is what the client was told
	before   uint64
}

func newTallies() *tallies {
	return &tallies{tallies: make(map[person]map[chime.Topic]*tally), dirty: make(map[membership]struct{})}
}

// forget drops what is known of somebody who went.
func (u *tallies) forget(who person) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.tallies, who)
}

// tally is a membership's, stale when it is new. The caller holds mu.
func (u *tallies) tally(m membership) *tally {
	mine := u.tallies[m.who]
	if mine == nil {
		mine = make(map[chime.Topic]*tally)
		u.tallies[m.who] = mine
	}
	t := mine[m.at]
	if t == nil {
		t = &tally{stale: true}
		mine[m.at] = t
	}
	return t
}

// created adds a message, of which the event tells, to the count of somebody who sees it.
func (u *tallies) created(m membership, e *chime.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.tally(m)
	switch {
	case t.stale:
	case t.reading:
		t.stale = true
	case e.Position > t.position:
		t.position = e.Position
		if e.Subject == m.who.ref {
			return
		}
		t.count++
	default: // it is counted already
		return
	}
	u.dirty[m] = struct{}{}
}

// changed has a count read again.
func (u *tallies) changed(m membership) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tally(m).stale = true
	u.dirty[m] = struct{}{}
}

// changedAll has every count of an app instance read again.
func (u *tallies) changedAll(app string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for who, mine := range u.tallies {
		for at, t := range mine {
			if who.app == app {
				t.stale = true
				u.dirty[membership{who, at}] = struct{}{}
			}
		}
	}
}

func (u *tallies) take() []membership {
	u.mu.Lock()
	defer u.mu.Unlock()
	dirty := slices.SortedFunc(maps.Keys(u.dirty), func(a, b membership) int {
		return cmp.Or(strings.Compare(a.who.app, b.who.app), strings.Compare(string(a.who.ref), string(b.who.ref)),
			strings.Compare(a.at.Channel, b.at.Channel), strings.Compare(a.at.Sub, b.at.Sub))
	})
	clear(u.dirty)
	return dirty
}

// again puts back what could not be told.
func (u *tallies) again(dirty []membership) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, m := range dirty {
		u.dirty[m] = struct{}{}
	}
}

// followUnread notes whose counts an event may change.
func (s *Service) followUnread(e *chime.Event) {
	kind := e.Kind()
	if kind.Unread || kind.Recounts == chime.OfMessage {
		s.followMessage(e)
		return
	}
	switch kind.Recounts {
	case chime.OfApp:
		s.unread.changedAll(e.App)
	case chime.OfSubject:
		s.changedFor(e.Topic, e.Subject)
	}
	for _, ref := range e.Join {
		s.changedFor(e.Topic, ref)
	}
}

// followMessage does so for an event of a message: it may change the counts of all whom it reaches.
func (s *Service) followMessage(e *chime.Event) {
	if e.Ephemeral || e.MessageType != string(messaging.ChannelMessageTypeStandard) {
		return
	}
	for _, ref := range s.roster.Listeners(e, realtime.ExtraUnread) {
		m := membership{person{e.App, ref}, e.Topic}
		if e.Kind().Unread {
			s.unread.created(m, e)
		} else {
			s.unread.changed(m)
		}
	}
}

func (s *Service) changedFor(at chime.Topic, ref chime.Ref) {
	if s.roster.Listens(at.App, ref, realtime.ExtraUnread) {
		s.unread.changed(membership{person{at.App, ref}, at})
	}
}

func (s *Service) flushUnread(ctx context.Context) error {
	dirty := s.unread.take()
	var events []chime.Event
	for i, m := range dirty {
		e, err := s.count(ctx, m)
		if err != nil {
			s.unread.again(dirty[i:])
			s.tell(events)
			return err
		}
		if e != nil {
			events = append(events, *e)
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
	ReadMarkerTimestamp json.RawMessage `json:",omitempty"`
}

// count makes the event of a membership's count, nil when that is no news.
func (s *Service) count(ctx context.Context, m membership) (*chime.Event, error) {
	if !s.roster.Listens(m.who.app, m.who.ref, realtime.ExtraUnread) {
		return nil, nil
	}
	var place chime.Place
	err := s.o.Store.View(ctx, m.who.app, func(r store.Reader) (err error) {
		place, err = placeOf(r, m.who, m.at)
		return err
	})
	if err != nil || place.UID == "" {
		return nil, err
	}
	t, err := s.read(ctx, m, place)
	if errors.Is(err, unread.ErrNotMember) {
		return nil, nil
	}
	if err != nil || t.told && t.before == t.count {
		return nil, err
	}
	payload := unreadPayload{ChannelArn: s.o.Site.ChannelARN(m.who.app, place.ChannelID), SubChannelId: m.at.Sub, UnreadCount: t.count}
	if t.marker != 0 {
		payload.ReadMarkerTimestamp = api.ISO.Append(nil, t.marker.Time())
	}
	e := eventOf(chime.EventUnreadCount, m.at, s.o.Now(), payload)
	e.Only = []chime.Ref{m.who.ref}
	return &e, nil
}

// read is the tally as it is to be told, read from the store if it has to be. It counts as told.
func (s *Service) read(ctx context.Context, m membership, place chime.Place) (tally, error) {
	u := s.unread
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.tally(m)
	if t.stale {
		t.stale, t.reading = false, true
		u.mu.Unlock()
		var now unread.Reading
		err := s.o.Store.View(ctx, "", func(r store.Reader) (err error) {
			now, err = s.o.Counter.Read(r, m.who.app, m.who.ref, place)
			return err
		})
		u.mu.Lock()
		if t.reading = false; err != nil {
			t.stale = true
			return *t, err
		}
		t.count, t.marker, t.position = now.Count, now.Marker, now.Position
	}
	now := *t
	t.told, t.before = true, t.count
	return now, nil
}

// placeOf finds a membership on the list of its holder, nothing when it is over.
func placeOf(r store.Reader, who person, at chime.Topic) (place chime.Place, err error) {
	m, found, err := store.Memberships.Get(r, store.MembershipKey(who.app, at.Channel, who.ref, at.Sub))
	if err != nil || !found {
		return place, err
	}
	place, _, err = store.MembershipsOf.Get(r, store.PlaceKey(who.app, who.ref, m.Order, at.Channel))
	return place, err
}
