package realtime

import (
	"context"
	"errors"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// replay gives a user what it missed: the very events that its socket would have got between two
// positions of the log. It goes through the log as the hub goes through it live, with the
// memberships that the user had then, and finds the user's events by their traces.
type replay struct {
	user    userKey
	refusal string // why nothing can be replayed
	from    uint64

	at, until uint64 // replayed up to here, to be replayed up to there
	live      uint64 // where the queue begins
	begun     bool
	places    places   // memberships at the position at
	found     []uint64 // positions of events after at
	reach     uint64   // found has all of them up to here
	given     int      // events
}

// tracePage bounds how many traces of one channel are found at once.
const tracePage = 256

// errNotResumed says that the log does not have all that is to be replayed.
type errNotResumed struct{ reason string }

func (e errNotResumed) Error() string { return "not resumed: " + e.reason }

// replayMore makes the frames of the next piece. At the end the session goes live.
func (s *Session) replayMore(p *pull) (piece []*frame, err error) {
	var events []*chime.Event
	err = s.roster.env.Store.View(context.Background(), p.replay.user.app, func(r store.Reader) (err error) {
		if events, err = p.replay.next(r); err != nil {
			return err
		}
		return s.roster.env.complete(r, events)
	})
	var refused errNotResumed
	if errors.As(err, &refused) {
		return s.endReplay(p, nil, refused.reason), nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		piece = append(piece, s.roster.env.frame(e, s.form))
	}
	if p.replay.at >= p.replay.until {
		piece = s.endReplay(p, piece, "")
	}
	return piece, nil
}

// endReplay lets the session go live after the last piece and what tells the client of the end,
// which are in their place before the queue is let go. When the queue was dropped meanwhile, the
// replay goes on, and the piece is given back.
func (s *Session) endReplay(p *pull, piece []*frame, refusal string) []*frame {
	r := s.roster
	r.mu.Lock()
	defer r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.lagging { // the queue begins again here; what lies before is to be found in the log
		p.lagging = false
		p.replay.live = r.position
		s.after = max(s.after, r.position)
		p.replay.until = s.after
		if refusal == "" {
			return piece
		}
	}
	s.looked = min(s.looked, p.read)
	given, live := p.replay.given, p.replay.live
	p.replay, p.holds = nil, false
	if refusal != "" {
		s.after, s.token = live, live // the client's position may lie beyond
		p.head = append(p.head, s.notResumed(refusal, live))
		return nil
	}
	s.token = s.after
	done := s.tokenAt(s.after)
	done.Events = &given
	p.head = append(append(p.head, piece...), s.note(chime.EventSessionResumed, done))
	return nil
}

// next finds the next events of the user, about a piece of them.
func (p *replay) next(r store.Reader) (events []*chime.Event, err error) {
	if !p.begun {
		if err := p.begin(r); err != nil {
			return nil, err
		}
		p.begun = true
	}
	for size := 0; size < pieceBytes; {
		if len(p.found) == 0 {
			p.at = max(p.at, p.reach)
			if p.at >= p.until {
				break
			}
			if err := p.find(r); err != nil {
				return nil, err
			}
			continue
		}
		e, err := store.ReadEvent(r, p.found[0])
		if errors.Is(err, store.ErrTrimmed) {
			return nil, errNotResumed{notResumedExpired}
		} else if err != nil {
			return nil, err
		}
		p.found = p.found[1:]
		p.at = e.Position
		if p.apply(e) {
			events = append(events, e)
			size += eventSize(e)
			p.given++
		}
	}
	return events, nil
}

// complete gives the events that the log keeps without a payload the one that they have now.
func (env *environment) complete(r store.Reader, events []*chime.Event) (err error) {
	for _, e := range events {
		if e.Payload == nil && e.TellsContent() {
			if e.Payload, err = env.Body(r, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// eventSize is about how many bytes an event takes as a frame, before it has its payload.
func eventSize(e *chime.Event) int {
	if e.TellsContent() {
		return 1 << 10
	}
	return len(e.Payload)
}

// begin makes sure that the log has everything, and finds where the user was a member at the
// beginning: where it is one now, but for what changed since.
func (p *replay) begin(r store.Reader) error {
	now, err := r.Position()
	if err != nil {
		return err
	}
	if p.from > now { // of a store that was put back since
		return errNotResumed{notResumedInvalid}
	}
	if p.from < now {
		next, err := store.ReadEvents(r, p.from, 1)
		if err != nil {
			return err
		}
		if len(next) == 0 || next[0].Position != p.from+1 {
			return errNotResumed{notResumedExpired}
		}
	}
	user, _, err := store.Users.Get(r, store.K(p.user.app, p.user.user.ID()))
	if err != nil {
		return err
	}
	if user.Order > p.from { // made again since, under the same id
		return errNotResumed{notResumedOtherUser}
	}
	channels, err := readChannels(r, p.user.app, p.user.user)
	if err != nil {
		return err
	}
	moves, err := p.moves(r, now)
	if err != nil {
		return err
	}
	p.places = make(places)
	for _, key := range channels {
		p.places.join(key)
	}
	for _, e := range slices.Backward(moves) {
		if slices.Contains(e.Leave, p.user.user) {
			p.places.join(e.Topic)
		}
		if slices.Contains(e.Join, p.user.user) {
			p.places.part(e.Topic)
		}
	}
	return nil
}

// moves are the events up to a position by which the user joins or leaves channels.
func (p *replay) moves(r store.Reader, upTo uint64) (events []*chime.Event, err error) {
	var at []uint64
	err = store.UserTraces(r, p.user.app, p.user.user, p.at, upTo, func(t store.Trace) (bool, error) {
		if t.Moves {
			at = append(at, t.Position)
		}
		return true, nil
	})
	for i := 0; i < len(at) && err == nil; i++ {
		var e *chime.Event
		if e, err = store.ReadEvent(r, at[i]); err == nil {
			events = append(events, e)
		}
	}
	if errors.Is(err, store.ErrTrimmed) {
		err = errNotResumed{notResumedExpired}
	}
	return events, err
}

// find looks for the next events that may concern the user: those that name it, and those of every
// channel that it is in or joins on the way.
func (p *replay) find(r store.Reader) error {
	p.reach = p.until
	page := func(t store.Trace, n *int) bool {
		p.found = append(p.found, t.Position)
		if *n++; *n == tracePage {
			p.reach = min(p.reach, t.Position)
		}
		return *n < tracePage
	}
	n := 0
	err := store.UserTraces(r, p.user.app, p.user.user, p.at, p.reach, func(t store.Trace) (bool, error) {
		return page(t, &n), nil
	})
	if err != nil {
		return err
	}
	channels, err := p.channels(r)
	if err != nil {
		return err
	}
	for _, key := range channels {
		n := 0
		err := store.ChannelTraces(r, key, p.at, p.reach, func(t store.Trace) (bool, error) {
			return page(t, &n), nil
		})
		if err != nil {
			return err
		}
	}
	slices.Sort(p.found)
	p.found = slices.Compact(p.found)
	end, _ := slices.BinarySearch(p.found, p.reach+1)
	p.found = p.found[:end]
	return nil
}

// channels lists the channels that the user is in at some time until reach.
func (p *replay) channels(r store.Reader) (list []chime.Topic, err error) {
	all := make(map[chime.Topic]struct{}, len(p.places))
	for key := range p.places {
		all[key] = struct{}{}
	}
	moves, err := p.moves(r, p.reach)
	for _, e := range moves {
		key := e.Topic
		all[key], all[key.Whole()] = struct{}{}, struct{}{}
	}
	for key := range all {
		list = append(list, key)
	}
	return list, err
}

// apply lets an event change the user's memberships as it did live, and reports whether the user
// gets it.
func (p *replay) apply(e *chime.Event) bool {
	key := e.Topic
	if slices.Contains(e.Join, p.user.user) {
		p.places.join(key)
	}
	gets := concerns(e, p.user.user, e.Channel == "" || p.places[key] > 0)
	if e.EndsMembership(p.user.user) {
		p.places.part(key)
	}
	return gets
}

// places are the channels that somebody is in. A whole channel counts its sub-channels.
type places map[chime.Topic]int

func (p places) join(key chime.Topic) {
	if p[key] > 0 {
		return
	}
	p[key] = 1
	if key.Sub != "" {
		p[key.Whole()]++
	}
}

// part takes off a channel with all its sub-channels, or one sub-channel.
func (p places) part(key chime.Topic) {
	if key.Sub == "" {
		for other := range p {
			if other.Whole() == key {
				delete(p, other)
			}
		}
		return
	}
	if p[key] == 0 {
		return
	}
	delete(p, key)
	if whole := key.Whole(); p[whole] == 1 {
		delete(p, whole)
	} else {
		p[whole]--
	}
}
