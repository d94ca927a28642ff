package push

import (
	"context"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// roundSize is how many devices are sent to, about, before it is written how that went.
const roundSize = 256

// handle pushes the notifications of events of one app instance.
func (p *pusher) handle(ctx context.Context, app string, events []*chime.Event) error {
	w := &walk{pusher: p, app: app, sources: map[uint64]*source{}}
	if err := w.begin(ctx, events); err != nil {
		return err
	}
	for _, e := range events {
		if err := w.push(ctx, e); err != nil {
			return err
		}
	}
	return w.round(ctx)
}

// walk is the way through the members of events. What is gathered on it is sent in rounds.
type walk struct {
	*pusher
	app     string
	sources map[uint64]*source // by position
	kept    []chime.PushLeft   // of events that are not at hand
	reached chime.Pushing      // where gathered ends
	list    []*delivery        // gathered
}

// begin reads how far an earlier attempt came, and gathers what that left.
func (w *walk) begin(ctx context.Context, events []*chime.Event) error {
	return w.o.Store.View(ctx, w.app, func(r store.Reader) (err error) {
		clear(w.sources)
		w.kept, w.list = nil, nil
		if w.reached, _, err = store.Pushings.Get(r, w.key()); err != nil {
			return err
		}
		left := w.reached.Left
		w.reached.Left = nil
		for _, e := range events {
			m, found, err := w.o.Messages.Notifying(r, e)
			if err != nil {
				return err
			}
			if found {
				w.sources[e.Position] = w.source(e, m)
			}
		}
		return w.resume(r, events, left)
	})
}

// resume gathers the devices that an earlier attempt left.
func (w *walk) resume(r store.Reader, events []*chime.Event, left []chime.PushLeft) error {
	for _, l := range left {
		at := func(e *chime.Event) bool { return e.Position == l.Position }
		switch src := w.sources[l.Position]; {
		case src != nil:
			device, found, err := identity.ActiveEndpoint(r, w.app, l.Ref, l.Endpoint)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			if d := w.delivery(src, l.Ref, device); d != nil {
				d.attempts = l.Attempts
				w.list = append(w.list, d)
				if err := w.count(r, w.app, l.Ref, []*delivery{d}); err != nil {
					return err
				}
			}
		case !slices.ContainsFunc(events, at) && l.Position > events[0].Position: // its event comes later
			w.kept = append(w.kept, l)
		}
	}
	return nil
}

func (w *walk) key() store.Key { return store.K(w.app, w.FollowerName()) }

// push gathers the devices of an event, and sends as soon as there are many.
func (w *walk) push(ctx context.Context, e *chime.Event) error {
	src := w.sources[e.Position]
	if src == nil || e.Position < w.reached.Position || e.Position == w.reached.Position && w.reached.Next == nil {
		return nil
	}
	var from store.Key
	if e.Position == w.reached.Position {
		from = w.reached.Next
	}
	for {
		list, next, err := w.gather(ctx, src, from, roundSize-len(w.list))
		if err != nil {
			return err
		}
		w.list = append(w.list, list...)
		w.reached.Position, w.reached.Next = e.Position, next
		if len(w.list) >= roundSize {
			if err := w.round(ctx); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		from = next
	}
}

// round sends to the devices that were gathered, and writes how that went. It returns an error when some are
// to be tried again.
func (w *walk) round(ctx context.Context) error {
	if len(w.list) == 0 {
		return nil
	}
	w.send(ctx, w.list)
	if err := ctx.Err(); err != nil { // another node may have the lease
		return err
	}

	// What became of them and how far that is are one commit.
	var left []*delivery
	err := w.o.Store.Update(ctx, w.app, func(tx store.Tx) (err error) {
		if err := follow.Check(ctx, tx); err != nil {
			return err
		}
		if left, err = w.settle(tx, w.list); err != nil {
			return err
		}
		record := w.reached
		record.Left = slices.Clone(w.kept)
		for _, d := range left {
			record.Left = append(record.Left, chime.PushLeft{Position: d.event.Position, Ref: d.ref, Endpoint: d.device.ID, Attempts: d.attempts})
		}
		return store.Pushings.Put(tx, w.key(), record)
	})
	if err != nil {
		return err
	}

	w.tally(w.list)
	w.list = nil
	if len(left) == 0 {
		return nil
	}
	return leftError(left)
}
