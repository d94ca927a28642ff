package realtime

import (
	"context"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// A frame whose content is removed after the frame was made and before it was taken is not sent as
// it is. The hub notes each event that removes content before it goes on, and a session compares its
// frames with the notes when its transport takes some: without a new note that is one comparison of
// numbers. A frame that a note is about is made again by a puller from the message as it is now, and
// until then nothing is taken, so that the order stays.

// removals are the latest events that removed content, oldest first. A value is never changed.
type removals struct {
	list []*chime.Event
	// from is the position behind which list has all, last that of the newest.
	from, last uint64
}

// keptRemovals are more than come between two turns of a session's transport. A frame that waited
// longer is made again as if it were concerned.
const keptRemovals = 256

// with is the same with one more.
func (r *removals) with(e *chime.Event) *removals {
	next := &removals{list: append(slices.Clone(r.list), e), from: r.from, last: e.Position}
	if len(next.list) > keptRemovals {
		next.from = next.list[0].Position
		next.list = next.list[1:]
	}
	return next
}

// concern reports whether a removal after the position may be one of what the frame carries.
func (r *removals) concern(f *frame, after uint64) bool {
	if f.event == nil {
		return false
	}
	after = max(after, f.event.Position)
	return after < r.from || slices.ContainsFunc(r.list, func(e *chime.Event) bool {
		return e.Position > after && e.Withdraws(f.event)
	})
}

// withdraw compares the frames of the session with the removals since it did so before. It reports
// whether nothing may be taken until some are made again. The caller holds mu.
func (s *Session) withdraw(r *removals) bool {
	stale := func(f *frame) bool { return r.concern(f, s.looked) }
	if slices.ContainsFunc(s.queue, stale) || s.pull != nil && slices.ContainsFunc(s.pull.head, stale) {
		if s.pull == nil {
			s.pull = new(pull)
		}
		s.pull.renews = true
		s.pullMore()
		return true
	}
	s.looked = r.last
	return false
}

// renew makes the frames again that withdraw found.
func (s *Session) renew(p *pull) error {
	known := s.roster.removals.Load() // before the store is read
	s.mu.Lock()
	stale := slices.DeleteFunc(slices.Concat(p.head, s.queue), func(f *frame) bool { return !known.concern(f, s.looked) })
	s.mu.Unlock()

	made, err := s.remake(stale)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.renews = false
	if s.closed {
		return nil
	}
	p.head, s.queue = replaced(p.head, made), replaced(s.queue, made)
	s.bytes = 0
	for _, f := range s.queue {
		s.bytes += len(f.bytes)
	}
	s.looked = max(s.looked, known.last)
	return nil
}

// remake makes frames of the same events, as the store has them now; nil for what is not to be told
// any more.
func (s *Session) remake(stale []*frame) (made map[*frame]*frame, err error) {
	made = make(map[*frame]*frame, len(stale))
	for _, f := range stale {
		e := *f.event
		if !e.Kind().IsMessage() { // CHANNEL_DETAILS
			made[f], err = s.details(context.Background(), chime.Place{ChannelID: e.ChannelID, UID: e.Channel, Sub: e.Sub})
		} else {
			err = s.roster.env.Store.View(context.Background(), e.App, func(r store.Reader) (err error) {
				e.Payload, err = s.roster.env.Body(r, &e)
				return err
			})
			made[f] = s.roster.env.frame(&e, s.form)
		}
		if err != nil {
			return nil, err
		}
	}
	return made, nil
}

// replaced are the frames with those that were made again in their places.
func replaced(frames []*frame, made map[*frame]*frame) []*frame {
	kept := frames[:0]
	for _, f := range frames {
		if again, stale := made[f]; stale {
			f = again
		}
		if f != nil {
			kept = append(kept, f)
		}
	}
	clear(frames[len(kept):])
	return kept
}
