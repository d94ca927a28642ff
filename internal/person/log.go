package person

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/record"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	eventsRead    = 1000 // by one view
	eventsChanged = 100  // positions that one transaction goes through
)

// eraseLog changes the events of the log. Those that act on sessions have to have reached them, under the name
// that the sessions have.
func (r *run) eraseLog(ctx context.Context) error {
	if err := r.o.Settle(ctx, r.app); err != nil {
		return err
	}
	for at := r.e.Position; at < r.e.UpTo; {
		first, next, err := r.lookAtLog(ctx, at)
		if err != nil {
			return err
		}
		if at = next; first == 0 {
			continue
		}
		at = min(first+eventsChanged-1, r.e.UpTo)
		err = r.update(ctx, func(tx store.Tx, e *chime.Erasure) error {
			e.Position = at
			return tx.RewriteEvents(first-1, at, func(event *chime.Event) (bool, error) {
				changed, err := r.renameEvent(event)
				if changed {
					e.Events++
				}
				return changed, err
			})
		})
		if err != nil {
			return err
		}
	}

	return r.update(ctx, func(tx store.Tx, e *chime.Erasure) error {
		upTo := e.UpTo
		e.Begin(e.Step + 1)
		return store.ForgetTraces(tx, r.app, r.user, upTo)
	})
}

// lookAtLog reads events behind a position, and returns the first that may name the user, zero when none
// does, and up to where it read.
func (r *run) lookAtLog(ctx context.Context, after uint64) (first, next uint64, err error) {
	err = r.o.Store.View(ctx, r.app, func(reader store.Reader) error {
		start, err := store.LogStart(reader, r.app)
		if err != nil {
			return err
		}
		events, err := store.ReadEvents(reader, r.app, max(after, start), eventsRead)
		if err != nil {
			return err
		}
		first, next = 0, r.e.UpTo
		var room []byte
		for _, e := range events {
			if room = e.AppendRecord(room[:0]); first == 0 && r.mayName(room) {
				first = e.Position
			}
		}
		if len(events) == eventsRead {
			next = min(events[len(events)-1].Position, r.e.UpTo)
		}
		if first > r.e.UpTo {
			first = 0
		}
		return nil
	})
	return first, next, err
}

// renameEvent changes an event as records are.
func (r *run) renameEvent(e *chime.Event) (changed bool, err error) {
	whole := e.AppendRecord(nil)
	if !r.mayName(whole) {
		return false, nil
	}
	renamed, err := record.Rewrite(nil, whole, func(text []byte) []byte {
		text, _ = r.rename(text)
		return text
	})
	if err != nil || bytes.Equal(renamed, whole) {
		return false, err
	}
	now := chime.Event{Position: e.Position}
	if err := now.ReadRecord(string(renamed)); err != nil {
		return false, err
	}
	if e.Kind().IsMessage() && e.Subject == r.user { // its sender wrote the type, too
		now.Payload = dropStrings(now.Payload, []byte(`,"ContentType":"`), 0)
	}
	*e = now
	return true, nil
}

// rewriteLine changes a line that a stream has written: one of a message of the user goes.
func (r *run) rewriteLine(line []byte) []byte {
	if !r.mayName(line) {
		return line
	}
	var about struct {
		Payload struct{ Sender struct{ Arn string } }
	}
	if json.Unmarshal(line, &about) == nil && about.Payload.Sender.Arn == string(r.arn) {
		return nil
	}
	renamed, _ := r.rename(line)
	return renamed
}
