package extras

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/store"
)

// maxNames bounds the users that one event names.
const maxNames = 100

// presence knows who of which channels is shown online, and what changed since it was told.
type presence struct {
	mu     sync.Mutex
	online map[person]struct{} // of app instances with presence
	dirty  map[person]struct{} // to be looked at
	fresh  map[person]struct{} // who has a new socket that asks for presence

	// The rest is Flush's.
	known   map[person]map[chime.Topic]place
	shown   map[chime.Topic]map[chime.Ref]struct{}
	pending map[chime.Topic]*change
}

// place is a membership of somebody online.
type place struct {
	channelID string
	order     uint64 // tells it from an earlier one in the same place
	hidden    bool
}

func newPresence() *presence {
	return &presence{
		online: make(map[person]struct{}), dirty: make(map[person]struct{}), fresh: make(map[person]struct{}),
		known: make(map[person]map[chime.Topic]place), shown: make(map[chime.Topic]map[chime.Ref]struct{}),
		pending: make(map[chime.Topic]*change),
	}
}

// Came is called when a session of a user of an app instance with extras begins.
func (s *Service) Came(app string, user chime.Ref, allowed, wants realtime.Extras) {
	if allowed&realtime.ExtraPresence == 0 {
		return
	}
	p, who := s.presence, person{app, user}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, here := p.online[who]; !here {
		p.online[who], p.dirty[who] = struct{}{}, struct{}{}
	}
	if wants&realtime.ExtraPresence != 0 {
		p.fresh[who] = struct{}{}
	}
}

// Went is called when the last session of a user ended.
func (s *Service) Went(app string, user chime.Ref) {
	p, who := s.presence, person{app, user}
	p.mu.Lock()
	if _, here := p.online[who]; here {
		delete(p.online, who)
		p.dirty[who] = struct{}{}
	}
	p.mu.Unlock()
	s.unread.forget(who)
}

// follow notes whose memberships an event changes.
func (p *presence) follow(e *chime.Event) {
	if len(e.Join)+len(e.Leave) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, refs := range [...][]chime.Ref{e.Join, e.Leave} {
		for _, ref := range refs {
			who := person{e.App, ref}
			if _, here := p.online[who]; here {
				p.dirty[who] = struct{}{}
			}
		}
	}
}

// take hands over what is to be looked at.
func (p *presence) take() (dirty map[person]bool, fresh []person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dirty = make(map[person]bool, len(p.dirty))
	for who := range p.dirty {
		_, dirty[who] = p.online[who]
	}
	fresh = slices.Collect(maps.Keys(p.fresh))
	clear(p.dirty)
	clear(p.fresh)
	return dirty, fresh
}

// again puts back what could not be read.
func (p *presence) again(dirty map[person]bool, fresh []person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for who := range dirty {
		p.dirty[who] = struct{}{}
	}
	for _, who := range fresh {
		p.fresh[who] = struct{}{}
	}
}

// change is what is to be told of a channel.
type change struct {
	channelID       string
	online, offline map[chime.Ref]struct{}
	waited          int // intervals
}

// crowd is how many who are shown make one more interval pass between two events of a channel.
const crowd = 1000

// snapshot is a channel of which somebody is to be told who is there.
type snapshot struct {
	who person
	at  chime.Topic
}

func (s *Service) flushPresence(ctx context.Context) error {
	p := s.presence
	dirty, fresh := p.take()
	places, err := s.places(ctx, dirty)
	if err != nil {
		p.again(dirty, fresh)
		return err
	}
	wanted := make(map[snapshot]struct{})
	for who := range dirty {
		for _, at := range p.move(who, places[who]) {
			wanted[snapshot{who, at}] = struct{}{}
		}
	}
	for _, who := range fresh {
		for at := range p.known[who] {
			wanted[snapshot{who, at}] = struct{}{}
		}
	}
	s.tell(append(s.changes(), s.snapshots(wanted)...))
	return nil
}

// places reads the memberships of those who are online.
func (s *Service) places(ctx context.Context, dirty map[person]bool) (all map[person]map[chime.Topic]place, err error) {
	if len(dirty) == 0 {
		return nil, nil
	}
	all = make(map[person]map[chime.Topic]place)
	err = s.o.Store.View(ctx, "", func(r store.Reader) error {
		for who, online := range dirty {
			if !online {
				continue
			}
			mine := make(map[chime.Topic]place)
			err := store.MembershipsOf.Each(r, store.Prefix(store.K(who.app, string(who.ref))), func(_ store.Key, at chime.Place) (bool, error) {
				m, found, err := store.Memberships.Get(r, store.MembershipKey(who.app, at.UID, who.ref, at.Sub))
				if found {
					mine[chime.Topic{App: who.app, Channel: at.UID, Sub: at.Sub}] = place{at.ChannelID, m.Order, m.Type == messaging.ChannelMembershipTypeHidden}
				}
				return true, err
			})
			if err != nil {
				return err
			}
			all[who] = mine
		}
		return nil
	})
	return all, err
}

// move shows somebody where it is now and no longer where it was, and answers where it is new.
func (p *presence) move(who person, now map[chime.Topic]place) (gained []chime.Topic) {
	before := p.known[who]
	for at, was := range before {
		if is, still := now[at]; !was.hidden && (!still || is.hidden) {
			p.show(at, was.channelID, who.ref, false)
		}
	}
	for at, is := range now {
		was, already := before[at]
		if !already || was.order != is.order {
			gained = append(gained, at)
		}
		if !is.hidden && (!already || was.hidden) {
			p.show(at, is.channelID, who.ref, true)
		}
	}
	if len(now) == 0 {
		delete(p.known, who)
	} else {
		p.known[who] = now
	}
	return gained
}

// show notes that somebody is shown in a channel, or no longer. Who came and went in one interval
// did neither.
func (p *presence) show(at chime.Topic, channelID string, ref chime.Ref, online bool) {
	c := p.pending[at]
	if c == nil {
		c = &change{channelID: channelID, online: make(map[chime.Ref]struct{}), offline: make(map[chime.Ref]struct{})}
		p.pending[at] = c
	}
	to, from := c.online, c.offline
	if online {
		if p.shown[at] == nil {
			p.shown[at] = make(map[chime.Ref]struct{})
		}
		p.shown[at][ref] = struct{}{}
	} else {
		delete(p.shown[at], ref)
		if len(p.shown[at]) == 0 {
			delete(p.shown, at)
		}
		to, from = from, to
	}
	if _, undone := from[ref]; undone {
		delete(from, ref)
	} else {
		to[ref] = struct{}{}
	}
}

// changes are the events of channels whose time has come.
func (s *Service) changes() (events []chime.Event) {
	p := s.presence
	for at, c := range p.pending {
		if c.waited++; c.waited <= len(p.shown[at])/crowd {
			continue
		}
		delete(p.pending, at)
		if len(c.online)+len(c.offline) > 0 {
			events = append(events, s.presenceEvent(at, c.channelID, c.online, c.offline, false))
		}
	}
	return events
}

// snapshots tell who is in a channel to those who want to know.
func (s *Service) snapshots(wanted map[snapshot]struct{}) (events []chime.Event) {
	p := s.presence
	for w := range wanted {
		place, in := p.known[w.who][w.at]
		if !in || !s.roster.Listens(w.who.app, w.who.ref, realtime.ExtraPresence) {
			continue
		}
		e := s.presenceEvent(w.at, place.channelID, p.shown[w.at], nil, true)
		e.Only = []chime.Ref{w.who.ref}
		events = append(events, e)
	}
	return events
}

// presencePayload is the payload of CHANNEL_PRESENCE.
type presencePayload struct {
	ChannelArn   string
	SubChannelId string   `json:",omitempty"`
	OnlineCount  int      // all who are shown online now
	Online       []string // users who came, up to 100; with Complete all who are online
	Offline      []string // users who went, up to 100
	Complete     bool
}

func (s *Service) presenceEvent(at chime.Topic, channelID string, online, offline map[chime.Ref]struct{}, whole bool) chime.Event {
	return eventOf(chime.EventChannelPresence, at, s.o.Now(), presencePayload{
		ChannelArn: s.o.Site.ChannelARN(at.App, channelID), SubChannelId: at.Sub, OnlineCount: len(s.presence.shown[at]),
		Online: s.names(at.App, online), Offline: s.names(at.App, offline), Complete: whole && len(online) <= maxNames,
	})
}

// names are the ARNs of up to maxNames of them, in order.
func (s *Service) names(app string, refs map[chime.Ref]struct{}) []string {
	names := make([]string, 0, len(refs))
	for ref := range refs {
		names = append(names, s.o.Site.RefARN(app, ref))
	}
	slices.Sort(names)
	return names[:min(len(names), maxNames)]
}
