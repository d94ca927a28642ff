package subscription

import (
	"context"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/stream"
)

// Followers lists the followers of an app instance's subscriptions: one for each, so that none waits for
// another. Those of disabled ones are paused.
func (s *Service) Followers(r store.Reader, app string) ([]follow.Follower, error) {
	hooks, err := list(r, app)
	followers := make([]follow.Follower, len(hooks))
	for i, hook := range hooks {
		p := newPoster(s, webhook{app, hook.ID})
		followers[i] = follow.Follower{
			Name: p.follower(), Start: follow.Given, MaxAttempts: -1, Paused: hook.Disabled,
			Wants:  (*chime.Event).IsStreamed,
			Handle: p.queueAll, Begin: p.begin, Needs: p.needs,
		}
	}
	return followers, err
}

// needs is the position before the first pending delivery, which is read from the log.
func (p *poster) needs(r store.Reader, _ string) (position uint64, found bool, err error) {
	err = eachInStatus(r, p.webhook, chime.DeliveryPending, chime.DeliveryID{}, func(d chime.WebhookDelivery) (bool, error) {
		position, found = d.Position-1, true
		return false, nil
	})
	return position, found, err
}

// queueAll queues deliveries of the events that the subscription selects, once there is room.
func (p *poster) queueAll(ctx context.Context, _ string, events []*chime.Event) error {
	for {
		queued, full, err := p.queueSome(ctx, events)
		switch {
		case err != nil:
			return err
		case queued == 0 && !full:
			return follow.ErrNothing
		case !full:
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.room:
		}
	}
}

// queueSome queues all or, when the queue is full, nothing.
func (p *poster) queueSome(ctx context.Context, events []*chime.Event) (queued int, full bool, err error) {
	age := p.age()
	err = p.o.Store.Update(ctx, p.app, func(tx store.Tx) error {
		full, queued = false, 0
		if err := follow.Check(ctx, tx); err != nil {
			return err
		}
		hook, found, err := find(tx, p.webhook)
		if err != nil || !found {
			return err
		}
		pending, _, err := store.Counts.Get(tx, p.pending())
		if full = pending >= MaxPending; err != nil || full {
			return err
		}

		// All of the events have room, as they are few.
		for _, e := range events {
			n, err := p.queue(tx, &hook, e, age)
			if err != nil {
				return err
			}
			queued += n
		}
		return nil
	})
	if queued > 0 {
		p.more()
	}
	return queued, full, err
}

// queue queues the deliveries of an event. What was queued before stays as it is, unless the subscription was
// set back since.
func (p *poster) queue(tx store.Tx, hook *chime.Webhook, e *chime.Event, age uint64) (queued int, err error) {
	if kind := e.Kind(); !selects(hook, kind.Stream, kind.StreamName(), p.o.Site.ChannelARN(e.App, e.ChannelID)) {
		return 0, nil
	}
	records, err := stream.Records(p.o.Site, "", e, "")
	if err != nil {
		return 0, err
	}
	for i, record := range records {
		d := chime.WebhookDelivery{
			DeliveryID: chime.DeliveryID{Position: e.Position, Number: i}, Channel: e.ChannelID, EventType: record.EventType,
			Time: e.Time, Queued: age, Epoch: hook.Epoch, Part: e.Kind().StreamedAs != "",
		}
		before, found, err := store.WebhookDeliveries.Get(tx, p.delivery(d.DeliveryID))
		if err != nil {
			return 0, err
		}
		if found && (before.Status == chime.DeliveryPending || before.Epoch >= hook.Epoch) {
			continue
		}
		if err := put(tx, p.webhook, d, before.Status, !found); err != nil {
			return 0, err
		}
		queued++
	}
	return queued, nil
}
