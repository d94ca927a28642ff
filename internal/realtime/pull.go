package realtime

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// pull is what is read from the store for one session: what it missed, then what it prefetches.
// A piece is read when the one before it was taken, so that a slow reader holds one piece and a
// thousand returning clients no more than they can take.
type pull struct {
	head []*frame // goes out before the queue
	busy bool     // a puller works on it, to whom replay and prefetch belong

	// holds keeps the queue back until the replay is done. When that takes so long that the queue
	// overflows, the session is lagging: the queue is dropped and read from the log as well.
	holds, lagging bool

	// renews keeps everything back until frames of head and queue are made again: see withdraw.
	renews bool
	read   uint64 // removals up to here were known when the piece at hand was read

	replay   *replay
	prefetch *prefetch
}

// pieceBytes is about how much is read for a session at once.
const pieceBytes = 64 << 10

// pullers are the goroutines that read for sessions: few, so that those who return together are
// served one after the other and the store has time for others.
type pullers struct {
	mu      sync.Mutex
	waiting []*Session
	running int
}

// maxPullers leaves half of the cores to everybody else.
var maxPullers = max(1, runtime.GOMAXPROCS(0)/2)

// pullMore has the next piece read, unless nothing is left. The caller holds the session's mu.
func (s *Session) pullMore() {
	p := s.pull
	switch {
	case p.busy:
	case p.replay == nil && p.prefetch == nil && !p.renews:
		s.pull = nil
	default:
		p.busy = true
		s.roster.env.pullers.add(s)
	}
}

func (p *pullers) add(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, s)
	if p.running < maxPullers {
		p.running++
		go p.work()
	}
}

// work reads until nobody waits.
func (p *pullers) work() {
	for {
		p.mu.Lock()
		if len(p.waiting) == 0 {
			p.waiting = nil
			p.running--
			p.mu.Unlock()
			return
		}
		s := p.waiting[0]
		p.waiting[0] = nil
		p.waiting = p.waiting[1:]
		p.mu.Unlock()
		s.fetch()
	}
}

// fetch reads the next piece for a session.
func (s *Session) fetch() {
	s.mu.Lock()
	p := s.pull
	renews := p != nil && p.renews
	s.mu.Unlock()
	if p == nil { // it ended
		return
	}
	var piece []*frame
	var err error
	if renews {
		err = s.renew(p)
	} else {
		piece, err = s.pullPiece(p)
	}
	if err != nil {
		if !errors.Is(err, store.ErrUnavailable) { // else the node stops and says so itself
			s.roster.env.Log.Error("cannot read for a session", "error", err, "user", string(s.user.ref))
		}
		s.end(CloseInternalError, "internal error")
		return
	}
	s.mu.Lock()
	p.busy = false
	if s.closed {
		s.mu.Unlock()
		return
	}
	p.head = append(p.head, piece...)
	if len(piece) > 0 {
		s.looked = min(s.looked, p.read)
	}
	if p.renews { // asked for meanwhile
		s.pullMore()
		s.mu.Unlock()
		return
	}
	s.tell()
}

// pullPiece reads what comes next, none when nothing is left.
func (s *Session) pullPiece(p *pull) (piece []*frame, err error) {
	p.read = s.roster.removals.Load().last
	for len(piece) == 0 && err == nil && (p.replay != nil || p.prefetch != nil) {
		if p.replay != nil {
			piece, err = s.replayMore(p)
		} else {
			piece, err = s.prefetchMore(p)
		}
	}
	return piece, err
}

// Prefetcher answers what a client is told of its channels when it connects (spec 4.7).
type Prefetcher interface {
	// Channels are the up to 50 channels to tell of, in order. Sort is prefetch-sort-by; an unknown
	// value is none.
	Channels(ctx context.Context, app string, user chime.Ref, sort string) ([]chime.Place, error)
	// Details is the payload of CHANNEL_DETAILS; ok is false when the user is no member any more.
	Details(ctx context.Context, app string, user chime.Ref, at chime.Place, unread bool) (payload []byte, ok bool, err error)
}

// prefetch is what a session still has to be told of its channels.
type prefetch struct {
	sort   string
	chosen bool
	places []chime.Place
}

// prefetchMore makes the next CHANNEL_DETAILS. What was delivered before is in it already.
func (s *Session) prefetchMore(p *pull) (piece []*frame, err error) {
	f, user, ctx, from := p.prefetch, s.userKey(), context.Background(), s.roster.env.Prefetch
	if !f.chosen {
		if f.places, err = from.Channels(ctx, user.app, user.user, f.sort); err != nil {
			return nil, err
		}
		f.chosen = true
	}
	if len(f.places) == 0 {
		p.prefetch = nil
		return nil, nil
	}
	at := f.places[0]
	f.places = f.places[1:]
	told, err := s.details(ctx, at)
	if err != nil || told == nil {
		return nil, err
	}
	return []*frame{told}, nil
}

// details makes the CHANNEL_DETAILS of a channel, nil when the user is no member any more.
func (s *Session) details(ctx context.Context, at chime.Place) (*frame, error) {
	user := s.userKey()
	payload, ok, err := s.roster.env.Prefetch.Details(ctx, user.app, user.user, at, s.extras&ExtraUnread != 0)
	if err != nil || !ok {
		return nil, err
	}
	return s.roster.env.frame(&chime.Event{
		Type: chime.EventChannelDetails, MessageType: chime.MessageTypeSystem, Payload: payload,
		Topic: chime.Topic{App: user.app, Channel: at.UID, Sub: at.Sub}, ChannelID: at.ChannelID,
	}, s.form), nil
}
