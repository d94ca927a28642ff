package message

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// How messages are removed by age: at leisure, so that those that wait for the store do not notice.
const (
	agedAtOnce   = 1000 // messages that one transaction removes, and one view reads
	agedTogether = 50   // histories that one transaction removes from

	// agedRest is how many times as long as a transaction took passes before the next begins, and agedMostRest the most.
	agedRest     = 9
	agedMostRest = 100 * time.Millisecond
)

// aged is a part of a history, all of which is past the retention.
type aged struct {
	in      history
	prefix  store.Key // of the history
	from    store.Key
	upTo    store.Key // behind the last; nil when there is none
	n       int       // of messages
	partial bool      // more may follow
}

// RemoveAged removes permanently what the retention of an app instance has hidden, when the grace period is
// over by the date. It goes through all histories, for each of which it reads one message at least, and
// writes in transactions of bounded size with the settings of that moment, for a tenth of the time at most.
// Nothing is announced, and what other records say of the messages stays (spec 12.7 #100).
func (s *Service) RemoveAged(ctx context.Context, app string, date chime.Millis) error {
	for from := store.K(app); from != nil; {
		found, next, err := s.findAged(ctx, app, date, from)
		if err != nil {
			return err
		}
		for parts := range slices.Chunk(found, agedTogether) {
			began := time.Now()
			if err := s.removeAged(ctx, app, date, parts); err != nil {
				return err
			}
			follow.Sleep(ctx, min(agedRest*time.Since(began), agedMostRest))
		}
		if from = next; ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// findAged looks for what is past the retention from a key on. next is where to go on, nil at the end.
func (s *Service) findAged(ctx context.Context, app string, date chime.Millis, from store.Key) (found []aged, next store.Key, err error) {
	err = s.store.View(ctx, app, func(r store.Reader) error {
		found, next = nil, from
		floor, err := s.gone(r, app, date)
		if err != nil || floor == 0 {
			next = nil
			return err
		}
		for room := agedAtOnce; room > 0 && next != nil; {
			part, err := firstAged(r, app, floor, next, room)
			if err != nil {
				return err
			}
			if part.n > 0 {
				found = append(found, part)
			}
			switch room -= 1 + part.n; {
			case part.prefix == nil:
				next = nil
			case part.partial:
				next = part.upTo
			default:
				next = store.Prefix(part.prefix).To
			}
		}
		return nil
	})
	return found, next, err
}

// firstAged looks into the first history from a key on, of which it reads up to limit messages. Of the
// part that it returns, prefix is nil when there is no history, and upTo when nothing there is that old.
func firstAged(r store.Reader, app string, floor chime.Millis, from store.Key, limit int) (part aged, err error) {
	var end store.Key // of what is old in the history
	err = r.Scan(store.Messages.ID, store.Range{From: from, To: store.Prefix(store.K(app)).To}, func(key store.Key, _ []byte) (bool, error) {
		if part.prefix == nil {
			if err := part.enter(key); err != nil {
				return false, err
			}
			part.from = slices.Clone(key)
			end = slices.Clone(part.prefix).Str(chime.FirstMessageID(floor))
		}
		if bytes.Compare(key, end) >= 0 {
			return false, nil
		}
		part.upTo = append(append(part.upTo[:0], key...), 0) // the first key behind it
		part.n++
		part.partial = part.n == limit
		return !part.partial, nil
	})
	return part, err
}

// enter takes the history of a message from its key.
func (p *aged) enter(key store.Key) error {
	columns, err := key.Columns()
	if err != nil {
		return err
	}
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i], _ = column.(string)
	}
	last := len(names) - 1
	p.in.channel = names[1]
	if last > 2 {
		p.in.sub = names[2]
	}
	p.prefix = store.K(names[:last]...)
	return nil
}

// gone is the time before which the app instance has no messages any more, zero when it has all. A clock
// that was set back meanwhile keeps what it shows again.
func (s *Service) gone(r store.Reader, app string, date chime.Millis) (chime.Millis, error) {
	record, found, err := store.AppInstances.Get(r, store.K(app))
	if err != nil || !found {
		return 0, err
	}
	return min(record.Retention.Gone(date), oldest(&record, s.now())), nil
}

// removeAged removes parts as far as the settings of this moment say so.
func (s *Service) removeAged(ctx context.Context, app string, date chime.Millis, parts []aged) error {
	err := s.store.Update(ctx, app, func(tx store.Tx) error {
		floor, err := s.gone(tx, app, date)
		if err != nil || floor == 0 {
			return err
		}
		for i := range parts {
			if err := parts[i].remove(tx, app, floor); err != nil {
				return err
			}
		}
		return nil
	})
	for _, part := range parts {
		s.newest.forget(part.in)
	}
	return err
}

// remove removes what is older than the floor.
func (p *aged) remove(tx store.Tx, app string, floor chime.Millis) error {
	old := store.Range{From: p.from, To: slices.Clone(p.prefix).Str(chime.FirstMessageID(floor))}
	if bytes.Compare(p.upTo, old.To) < 0 {
		old.To = p.upTo
	}
	if bytes.Compare(old.From, old.To) >= 0 {
		return nil
	}
	for _, table := range [...]store.TableID{store.Messages.ID, store.Processings.ID} {
		if err := tx.DeleteRange(table, old); err != nil {
			return err
		}
	}
	return store.MarkRemoved(tx, app, p.in.channel)
}
