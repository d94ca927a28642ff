package replay

import (
	"errors"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Refusal is the error of a replay that would not be complete: the Reason of SESSION_NOT_RESUMED.
type Refusal string

// Why a session cannot be resumed.
const (
	Expired   Refusal = "EXPIRED"    // the log no longer reaches back far enough
	OtherUser Refusal = "OTHER_USER" // what the client has is another user's
	Invalid   Refusal = "INVALID"    // the position is none that the log has had
)

func (r Refusal) Error() string { return "not resumed: " + string(r) }

// Replay is the way of one user through the log. It belongs to one goroutine at a time.
type Replay struct {
	app  string
	user chime.Ref
	from uint64

	at, until   uint64 // replayed up to here, to be replayed up to there
	begun       bool
	memberships memberships // at the position at
	found       []uint64    // positions of events after at
	reach       uint64      // found has all of them up to here
	given       int         // events
}

// New makes a replay of what concerned a user of an app instance after the position from, up to and
// including until.
func New(app string, user chime.Ref, from, until uint64) *Replay {
	return &Replay{app: app, user: user, from: from, at: from, until: until}
}

// Until is the position up to which the replay goes.
func (p *Replay) Until() uint64 { return p.until }

// Extend lets the replay go on to a later position.
func (p *Replay) Extend(until uint64) { p.until = max(p.until, until) }

// Done reports whether Next has given everything.
func (p *Replay) Done() bool { return p.begun && p.at >= p.until }

// Given is how many events Next has given.
func (p *Replay) Given() int { return p.given }

// tracePage bounds how many traces of one channel are found at once.
const tracePage = 256

// Next finds the next events of the user, as the log has them, until size returns about bytes for them
// together. Its error is a Refusal when the log does not have all that is to be replayed.
func (p *Replay) Next(r store.Reader, bytes int, size func(*chime.Event) int) (events []*chime.Event, err error) {
	if !p.begun {
		if err := p.begin(r); err != nil {
			return nil, err
		}
		p.begun = true
	}

	for bytes > 0 {
		// All that was found up to reach is given: find more, or end.
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

		e, err := readEvent(r, p.app, p.found[0])
		if err != nil {
			return nil, err
		}
		p.found = p.found[1:]
		p.at = e.Position
		if p.apply(e) {
			events = append(events, e)
			bytes -= size(e)
			p.given++
		}
	}
	return events, nil
}

// begin makes sure that the log has everything, and finds where the user was a member at the
// beginning: where it is one now, but for what changed since.
func (p *Replay) begin(r store.Reader) error {
	now, err := r.Position()
	if err != nil {
		return err
	}
	if err := p.check(r, now); err != nil {
		return err
	}

	// The memberships of now, from which the moves since are taken back, the latest first.
	topics, err := Memberships(r, p.app, p.user)
	if err != nil {
		return err
	}
	moves, err := p.moves(r, now)
	if err != nil {
		return err
	}
	p.memberships = make(memberships)
	for _, topic := range topics {
		p.memberships.join(topic)
	}
	for _, e := range slices.Backward(moves) {
		if slices.Contains(e.Leave, p.user) {
			p.memberships.join(e.Topic)
		}
		if slices.Contains(e.Join, p.user) {
			p.memberships.part(e.Topic)
		}
	}
	return nil
}

// check refuses a replay from a position that is not, or no longer, in the log of this user.
func (p *Replay) check(r store.Reader, now uint64) error {
	if p.from > now { // of a store that was put back since
		return Invalid
	}
	if p.from < now {
		if reaches, err := store.Reaches(r, p.app, p.from); err != nil {
			return err
		} else if !reaches {
			return Expired
		}
	}
	user, _, err := store.Users.Get(r, store.K(p.app, p.user.ID()))
	if err != nil {
		return err
	}
	if user.Order > p.from { // made again since, under the same id
		return OtherUser
	}
	return nil
}

// moves are the events up to a position by which the user joins or leaves channels.
func (p *Replay) moves(r store.Reader, upTo uint64) (events []*chime.Event, err error) {
	var at []uint64
	err = store.UserTraces(r, p.app, p.user, p.at, upTo, func(t store.Trace) (bool, error) {
		if t.Moves {
			at = append(at, t.Position)
		}
		return true, nil
	})
	for i := 0; i < len(at) && err == nil; i++ {
		var e *chime.Event
		if e, err = readEvent(r, p.app, at[i]); err == nil {
			events = append(events, e)
		}
	}
	return events, err
}

// readEvent reads an event of which there is a trace.
func readEvent(r store.Reader, app string, position uint64) (*chime.Event, error) {
	e, err := store.ReadEvent(r, app, position)
	if errors.Is(err, store.ErrTrimmed) {
		return nil, Expired
	}
	return e, err
}

// find looks for the next events that may concern the user: those that name it, and those of every
// channel that it is in or joins on the way.
func (p *Replay) find(r store.Reader) error {
	p.reach = p.until

	// A page that is full bounds how far the traces of others are looked at: beyond it something
	// could be missing.
	var n int
	page := func(t store.Trace) (bool, error) {
		p.found = append(p.found, t.Position)
		if n++; n == tracePage {
			p.reach = min(p.reach, t.Position)
		}
		return n < tracePage, nil
	}
	if err := store.UserTraces(r, p.app, p.user, p.at, p.reach, page); err != nil {
		return err
	}
	topics, err := p.topics(r)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		n = 0
		if err := store.ChannelTraces(r, topic, p.at, p.reach, page); err != nil {
			return err
		}
	}

	slices.Sort(p.found)
	p.found = slices.Compact(p.found)
	end, _ := slices.BinarySearch(p.found, p.reach+1)
	p.found = p.found[:end]
	return nil
}

// topics lists the channels and sub-channels that the user is in at some time until reach.
func (p *Replay) topics(r store.Reader) (list []chime.Topic, err error) {
	all := make(map[chime.Topic]struct{}, len(p.memberships))
	for topic := range p.memberships {
		all[topic] = struct{}{}
	}
	moves, err := p.moves(r, p.reach)
	for _, e := range moves {
		all[e.Topic], all[e.Topic.Whole()] = struct{}{}, struct{}{}
	}
	for topic := range all {
		list = append(list, topic)
	}
	return list, err
}

// apply lets an event change the user's memberships as it did live, and reports whether the user
// gets it.
func (p *Replay) apply(e *chime.Event) bool {
	if slices.Contains(e.Join, p.user) {
		p.memberships.join(e.Topic)
	}
	reaches := e.Reaches(p.user, p.memberships.has(e.Topic))
	if e.EndsMembership(p.user) {
		p.memberships.part(e.Topic)
	}
	return reaches
}
