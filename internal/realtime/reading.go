package realtime

import (
	"context"
	"errors"
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime/outbox"
	"github.com/carillon-chat/carillon/internal/realtime/replay"
	"github.com/carillon-chat/carillon/internal/store"
)

// Prefetcher finds what a client is sent about its channels when it connects (spec 4.7).
type Prefetcher interface {
	// Channels are the up to 50 channels to prefetch, in order. Sort is prefetch-sort-by; an unknown
	// value is none.
	Channels(ctx context.Context, app string, user chime.Ref, sort string) ([]chime.ChannelEntry, error)
	// AppendDetails appends the payload of CHANNEL_DETAILS to b as the inside of a JSON string; ok is
	// false when the user is no member any more.
	AppendDetails(ctx context.Context, b []byte, app string, user chime.Ref, at chime.ChannelEntry, unread bool) (text []byte, ok bool, err error)
}

// reading is what is read from the store for one session and goes out ahead of the live events: what
// it missed, then what it prefetches.
type reading struct {
	session *Session

	resumes bool
	from    uint64         // position that the client has everything up to
	refusal replay.Refusal // why nothing can be replayed
	replay  *replay.Replay // set when the session begins; nil when nothing is left of it
	live    uint64         // what is not replayed after this position comes live

	prefetches bool // nothing is left of it when it is false
	sort       string
	chosen     bool
	entries    []chime.ChannelEntry // to be prefetched
}

// pieceBytes is about how much is read for a session at once.
const pieceBytes = 64 << 10

// newReading makes what is to be read for a session, nil when nothing is.
func (env *environment) newReading(s *Session, g Grant) *reading {
	r := &reading{session: s, sort: g.PrefetchSort, prefetches: g.Prefetch && env.Prefetch != nil}
	if s.form&withPosition != 0 && g.ResumeFrom != "" {
		r.resumes = true
		r.from, r.refusal = env.openToken(g.App, g.User, g.ResumeFrom)
	}
	if !r.resumes && !r.prefetches {
		return nil
	}
	return r
}

func (r *reading) isOver() bool { return r.replay == nil && !r.prefetches }

// Read implements outbox.Source.
func (r *reading) Read(q *outbox.Queue) (piece []*outbox.Frame, more bool, err error) {
	for len(piece) == 0 && err == nil && !r.isOver() {
		if r.replay != nil {
			piece, err = r.replayMore(q)
		} else {
			piece, err = r.prefetchMore()
		}
	}
	return piece, !r.isOver(), err
}

// replayMore makes the frames of the next events that the session missed. At the end the session goes
// live.
func (r *reading) replayMore(q *outbox.Queue) (piece []*outbox.Frame, err error) {
	s, env := r.session, r.session.env()
	var events []*chime.Event
	err = env.Store.View(context.Background(), s.user.roster.app, func(tx store.Reader) (err error) {
		if events, err = r.replay.Next(tx, pieceBytes, eventSize); err != nil {
			return err
		}
		return env.Body.Complete(tx, events, false)
	})
	if refusal, ok := errors.AsType[replay.Refusal](err); ok {
		r.refuse(q, refusal)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		piece = append(piece, env.frame(e, s.form))
	}
	if r.replay.Done() {
		return r.goLive(q, piece), nil
	}
	return piece, nil
}

// goLive ends the replay with its last piece and the notice of its end, which are in their
// place before the live events are let go. When some of those were dropped in the meantime, the replay
// goes on, and the piece is given back.
func (r *reading) goLive(q *outbox.Queue, piece []*outbox.Frame) []*outbox.Frame {
	s, until, given := r.session, r.replay.Until(), r.replay.Given()
	done := s.tokenAt(until)
	done.Events = &given
	end := s.note(chime.EventSessionResumed, done)

	upTo, released := q.Release(until, append(piece, end))
	if !released {
		r.live = upTo
		r.replay.Extend(upTo)
		return piece
	}
	s.token.Store(until)
	r.replay = nil
	return nil
}

// refuse ends a replay that would not be complete. The client's position may lie beyond that from which
// on it is sent live events.
func (r *reading) refuse(q *outbox.Queue, refusal replay.Refusal) {
	for released := false; !released; {
		live := r.live
		r.live, released = q.Release(live, []*outbox.Frame{r.session.notResumed(refusal, live)})
	}
	r.session.token.Store(r.live)
	r.replay = nil
}

// eventSize is about how many bytes an event takes as a frame, before it has its payload.
func eventSize(e *chime.Event) int {
	if e.TellsContent() {
		return 1 << 10
	}
	return len(e.Payload)
}

// prefetchMore makes the next CHANNEL_DETAILS. What was delivered before is in it already.
func (r *reading) prefetchMore() (piece []*outbox.Frame, err error) {
	s, ctx := r.session, context.Background()
	if !r.chosen {
		if r.entries, err = s.env().Prefetch.Channels(ctx, s.user.roster.app, s.user.ref, r.sort); err != nil {
			return nil, err
		}
		r.chosen = true
	}
	if len(r.entries) == 0 {
		r.prefetches = false
		return nil, nil
	}
	at := r.entries[0]
	r.entries = r.entries[1:]
	details, err := s.details(ctx, at)
	if err != nil || details == nil {
		return nil, err
	}
	return []*outbox.Frame{details}, nil
}

// details makes the CHANNEL_DETAILS of a channel, nil when the user is no member any more.
func (s *Session) details(ctx context.Context, at chime.ChannelEntry) (*outbox.Frame, error) {
	app, env := s.user.roster.app, s.env()
	e := &chime.Event{
		Type: chime.EventChannelDetails, MessageType: chime.MessageTypeSystem,
		Topic: chime.Topic{App: app, Channel: at.UID, Sub: at.Sub}, ChannelID: at.ChannelID,
	}
	room := texts.Get().(*[]byte)
	text := append(appendHeaders((*room)[:0], e, s.form), `,"Payload":"`...)
	text, ok, err := env.Prefetch.AppendDetails(ctx, text, app, s.user.ref, at, s.extras&chime.ExtraUnread != 0)
	if err != nil || !ok {
		return nil, err
	}

	text = append(text, `"}`...)
	f := env.framed(text, e, s.form)
	if *room = text; cap(text) <= keptText {
		texts.Put(room)
	}
	return f, nil
}

// texts are for CHANNEL_DETAILS before they are frames.
var texts = sync.Pool{New: func() any { return new([]byte) }}

const keptText = 256 << 10

// remake makes frames of the same events, as the store has them now; nil for what is not to be sent
// any more.
func (s *Session) remake(stale []*outbox.Frame) (made map[*outbox.Frame]*outbox.Frame, err error) {
	made = make(map[*outbox.Frame]*outbox.Frame, len(stale))
	ctx, env := context.Background(), s.env()
	for _, f := range stale {
		e := *f.Event
		if !e.Kind().IsMessage() { // CHANNEL_DETAILS
			made[f], err = s.details(ctx, chime.ChannelEntry{ChannelID: e.ChannelID, UID: e.Channel, Sub: e.Sub})
		} else {
			err = env.Store.View(ctx, e.App, func(r store.Reader) (err error) {
				e.Payload, err = env.Body(r, &e)
				return err
			})
			made[f] = env.frame(&e, s.form)
		}
		if err != nil {
			return nil, err
		}
	}
	return made, nil
}

// fail ends a session for which the store could not be read.
func (s *Session) fail(err error) {
	if !errors.Is(err, store.ErrUnavailable) { // else the node stops and says so itself
		s.env().Log.Error("session: read failed", "error", err, "user", string(s.user.ref))
	}
	s.end(CloseInternalError, "internal error")
}
