package subscription

import (
	"context"
	"errors"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// The operations on deliveries.

// ListWebhookDeliveries lists the deliveries of a subscription, or those of a status, the latest events first.
func (s *Service) ListWebhookDeliveries(ctx context.Context, req *carillon.ListWebhookDeliveriesRequest) (*carillon.ListWebhookDeliveriesResponse, error) {
	w, err := s.parse(req.WebhookARN)
	if err != nil {
		return nil, err
	}
	page := store.NewPage("ListWebhookDeliveries "+req.WebhookARN+" "+string(req.Status), req.MaxResults, req.NextToken)
	resp := new(carillon.ListWebhookDeliveriesResponse)
	err = s.o.Store.View(ctx, w.app, func(r store.Reader) error {
		if _, err := require(r, w); err != nil {
			return err
		}
		resp.Deliveries, resp.NextToken, err = s.deliveries(r, w, req.Status, page)
		return err
	})
	return resp, err
}

func (s *Service) deliveries(r store.Reader, w webhook, status carillon.WebhookDeliveryStatus, page store.Page) ([]carillon.WebhookDelivery, string, error) {
	inStatus := func(want chime.DeliveryStatus) ([]carillon.WebhookDelivery, string, error) {
		rng := store.Prefix(w.inStatus(want))
		rng.Reverse = true
		return store.List(r, store.WebhookStates, rng, page, func(id chime.DeliveryID) (carillon.WebhookDelivery, bool, error) {
			d, found, err := store.WebhookDeliveries.Get(r, w.delivery(id))
			return s.show(w, &d), found, err
		})
	}
	switch status {
	case carillon.WebhookDeliveryStatusPending:
		return inStatus(chime.DeliveryPending)
	case carillon.WebhookDeliveryStatusFailed:
		return inStatus(chime.DeliveryFailed)
	}

	// Most are done, so those are found among all.
	rng := store.Prefix(w.key())
	rng.Reverse = true
	return store.List(r, store.WebhookDeliveries, rng, page, func(d chime.WebhookDelivery) (carillon.WebhookDelivery, bool, error) {
		return s.show(w, &d), status == "" || d.Status == chime.DeliveryDone, nil
	})
}

func (s *Service) show(w webhook, d *chime.WebhookDelivery) carillon.WebhookDelivery {
	return carillon.WebhookDelivery{
		DeliveryID: idText(d.DeliveryID), Key: s.recordKey(w, d), EventType: d.EventType,
		ChannelARN: s.o.Site.ChannelARN(w.app, d.Channel), EventTimestamp: shown(d.Time),
		Status: [...]carillon.WebhookDeliveryStatus{
			chime.DeliveryPending: carillon.WebhookDeliveryStatusPending, chime.DeliveryDone: carillon.WebhookDeliveryStatusDelivered,
			chime.DeliveryFailed: carillon.WebhookDeliveryStatusFailed,
		}[d.Status],
		Attempts: d.Attempts, LastStatusCode: d.Code, LastError: d.Error,
		LastAttemptTimestamp: shown(d.Last), NextAttemptTimestamp: shown(d.Next),
	}
}

// ResendWebhookDelivery has a delivery made again, whatever became of it. It comes as soon as it can, behind
// what waits of its channel and is older.
func (s *Service) ResendWebhookDelivery(ctx context.Context, req *carillon.ResendWebhookDeliveryRequest) (*carillon.ResendWebhookDeliveryResponse, error) {
	w, err := s.parse(req.WebhookARN)
	if err != nil {
		return nil, err
	}
	id, ok := parseID(req.DeliveryID)
	if !ok {
		return nil, api.BadRequest("DeliveryId", "must be two numbers, as ListWebhookDeliveries has them")
	}

	// What the log no longer has cannot be made again.
	age := s.age()
	err = s.o.Store.Update(ctx, w.app, func(tx store.Tx) error {
		if _, err := require(tx, w); err != nil {
			return err
		}
		d, found, err := store.WebhookDeliveries.Get(tx, w.delivery(id))
		if err != nil {
			return err
		}
		if !found {
			return api.NotFound("DeliveryId does not name a delivery of the webhook that is still kept")
		}
		reaches, err := store.Reaches(tx, w.app, id.Position-1)
		if err == nil && !reaches {
			err = api.BadRequest("DeliveryId", "names an event that the log no longer has")
		}
		if err != nil {
			return err
		}
		return requeue(tx, w, d, age)
	})
	if err != nil {
		return nil, err
	}
	s.wake(w)
	return &carillon.ResendWebhookDeliveryResponse{WebhookARN: req.WebhookARN, DeliveryID: req.DeliveryID}, nil
}

const (
	resendAtOnce = 100    // deliveries that one transaction queues again
	maxResend    = 10_000 // that one call does, or a little more
)

// ResendWebhookDeliveries has all failed deliveries made again whose events are not older than Since, and
// which the log still has, up to about 10,000 of them. It answers how many.
func (s *Service) ResendWebhookDeliveries(ctx context.Context, req *carillon.ResendWebhookDeliveriesRequest) (*carillon.ResendWebhookDeliveriesResponse, error) {
	w, err := s.parse(req.WebhookARN)
	if err != nil {
		return nil, err
	}
	var since chime.Millis
	if req.Since != nil {
		since = chime.At(*req.Since)
	}
	age, total := s.age(), 0
	var after chime.DeliveryID
	for more := true; more && total < maxResend; {
		var n int
		err := s.o.Store.Update(ctx, w.app, func(tx store.Tx) (err error) {
			n, after, more, err = resend(tx, w, after, since, age)
			return err
		})
		if err != nil {
			return nil, err
		}
		total += n
	}
	s.wake(w)
	return &carillon.ResendWebhookDeliveriesResponse{WebhookARN: req.WebhookARN, Resent: total}, nil
}

// resend looks at failed deliveries behind one. more reports whether to go on behind last.
func resend(tx store.Tx, w webhook, after chime.DeliveryID, since chime.Millis, age uint64) (n int, last chime.DeliveryID, more bool, err error) {
	if _, err := require(tx, w); err != nil {
		return 0, after, false, err
	}
	start, err := store.LogStart(tx, w.app)
	if err != nil {
		return 0, after, false, err
	}
	var again []chime.WebhookDelivery
	looked := 0
	err = eachInStatus(tx, w, chime.DeliveryFailed, after, func(d chime.WebhookDelivery) (bool, error) {
		if looked++; looked > resendAtOnce {
			more = true
			return false, nil
		}
		if last = d.DeliveryID; d.Time >= since && d.Position > start {
			again = append(again, d)
		}
		return true, nil
	})
	for _, d := range again {
		if err == nil {
			err = requeue(tx, w, d, age)
		}
	}
	return len(again), last, more, err
}

// ReplayWebhook sets a subscription back to a position of the log, or to the first event of a time. What it
// selects of the events from there on is posted again, under the same ids.
func (s *Service) ReplayWebhook(ctx context.Context, req *carillon.ReplayWebhookRequest) (*carillon.ReplayWebhookResponse, error) {
	w, err := s.parse(req.WebhookARN)
	if err != nil {
		return nil, err
	}
	member, from := "FromPosition", follow.From{}
	switch {
	case (req.FromPosition == nil) == (req.FromTimestamp == nil):
		return nil, api.BadRequest(member, "or FromTimestamp must be given, and not both")
	case req.FromPosition != nil:
		from.Position = uint64(*req.FromPosition)
	default:
		member, from.Time = "FromTimestamp", *req.FromTimestamp
	}

	position, err := s.runner.Rewind(ctx, w.app, w.follower(), from, func(tx store.Tx, position uint64) error {
		hook, err := require(tx, w)
		if err == nil {
			err = unqueue(tx, w, position)
		}
		if err != nil {
			return err
		}
		hook.Epoch++
		if _, err := s.append(tx, chime.EventUpdateWebhook, w); err != nil {
			return err
		}
		return store.Webhooks.Put(tx, w.key(), hook)
	})
	var early *follow.TooEarlyError
	switch {
	case errors.Is(err, follow.ErrNotFound):
		return nil, errNoWebhook
	case errors.As(err, &early), errors.Is(err, follow.ErrAhead):
		return nil, api.BadRequest(member, "%v", err)
	case err != nil:
		return nil, err
	}
	s.wake(w)
	return &carillon.ReplayWebhookResponse{WebhookARN: req.WebhookARN, FromPosition: int(position)}, nil
}

// unqueue removes the pending deliveries from a position on: their events are queued again, behind those that
// come before them.
func unqueue(tx store.Tx, w webhook, position uint64) error {
	var ids []chime.DeliveryID
	err := eachInStatus(tx, w, chime.DeliveryPending, chime.DeliveryID{Position: position - 1, Number: maxNumber}, func(d chime.WebhookDelivery) (bool, error) {
		ids = append(ids, d.DeliveryID)
		return true, nil
	})
	for _, id := range ids {
		if err == nil {
			err = store.Remove(tx, store.WebhookDeliveries.Row(w.delivery(id), chime.WebhookDelivery{}),
				store.WebhookStates.Row(w.state(chime.DeliveryPending, id), id), store.Counter{Key: w.pending()})
		}
	}
	return err
}
