package subscription

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// The rows of a delivery: its record, and its place among those of its status, which the done ones, of which
// there are most, do not have.

func (w webhook) delivery(id chime.DeliveryID) store.Key {
	return w.key().Num(id.Position).Num(uint64(id.Number))
}

func (w webhook) inStatus(status chime.DeliveryStatus) store.Key { return w.key().Num(uint64(status)) }

func (w webhook) state(status chime.DeliveryStatus, id chime.DeliveryID) store.Key {
	return w.inStatus(status).Num(id.Position).Num(uint64(id.Number))
}

// put replaces the record of a delivery, which was in another status before, or is new.
func put(tx store.Tx, w webhook, d chime.WebhookDelivery, before chime.DeliveryStatus, isNew bool) error {
	if err := store.WebhookDeliveries.Put(tx, w.delivery(d.DeliveryID), d); err != nil {
		return err
	}
	if !isNew && d.Status == before {
		return nil
	}
	if !isNew && before != chime.DeliveryDone {
		if err := store.WebhookStates.Delete(tx, w.state(before, d.DeliveryID)); err != nil {
			return err
		}
	}
	if d.Status != chime.DeliveryDone {
		if err := store.WebhookStates.Put(tx, w.state(d.Status, d.DeliveryID), d.DeliveryID); err != nil {
			return err
		}
	}

	// How many are pending.
	delta := 0
	if d.Status == chime.DeliveryPending {
		delta++
	}
	if !isNew && before == chime.DeliveryPending {
		delta--
	}
	if delta == 0 {
		return nil
	}
	_, err := store.AddCount(tx, w.pending(), delta)
	return err
}

// requeue makes a delivery pending, as if it had not been tried.
func requeue(tx store.Tx, w webhook, d chime.WebhookDelivery, age uint64) error {
	before := d.Status
	d.Status, d.Attempts, d.First, d.Last, d.Next, d.Code, d.Error = chime.DeliveryPending, 0, 0, 0, 0, 0, ""
	d.Queued = age
	return put(tx, w, d, before, false)
}

// eachInStatus calls f for the deliveries of a status behind one, or for all with the zero id, in order.
func eachInStatus(r store.Reader, w webhook, status chime.DeliveryStatus, after chime.DeliveryID, f func(chime.WebhookDelivery) (more bool, err error)) error {
	rng := store.Prefix(w.inStatus(status))
	if after != (chime.DeliveryID{}) {
		rng.From = w.state(status, chime.DeliveryID{Position: after.Position, Number: after.Number + 1})
	}
	return store.WebhookStates.Each(r, rng, func(_ store.Key, id chime.DeliveryID) (bool, error) {
		d, found, err := store.WebhookDeliveries.Get(r, w.delivery(id))
		if err != nil || !found {
			return err == nil, err
		}
		return f(d)
	})
}

const maxNumber = 1 << 30 // no event has as many records

// idText is how calls name a delivery.
func idText(id chime.DeliveryID) string { return fmt.Sprintf("%d-%d", id.Position, id.Number) }

// parseID reads what idText wrote.
func parseID(text string) (id chime.DeliveryID, ok bool) {
	position, number, _ := strings.Cut(text, "-")
	var err error
	if id.Position, err = strconv.ParseUint(position, 10, 64); err != nil {
		return id, false
	}
	if id.Number, err = strconv.Atoi(number); err != nil || id.Number < 0 {
		return id, false
	}
	return id, idText(id) == text
}

// forgetAtOnce is how many deliveries one transaction removes.
const forgetAtOnce = 200

// forget removes the deliveries of a subscription that were kept for long enough.
func (s *Service) forget(ctx context.Context, w webhook) error {
	age, keep := s.age(), uint64(s.o.Keep.Milliseconds())
	if age <= keep {
		return nil
	}

	// Those that wait are passed over, whatever their age.
	var after chime.DeliveryID
	for more := true; more; {
		err := s.o.Store.Update(ctx, w.app, func(tx store.Tx) error {
			var old []chime.WebhookDelivery
			var err error
			old, after, more, err = outlived(tx, w, after, age-keep)
			if err != nil {
				return err
			}
			for _, d := range old {
				if err := store.WebhookDeliveries.Delete(tx, w.delivery(d.DeliveryID)); err != nil {
					return err
				}
				if err := store.WebhookStates.Delete(tx, w.state(d.Status, d.DeliveryID)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// outlived looks at deliveries behind one, in the order of the log, until one that was queued later, and
// returns those that are not pending. more reports whether to go on behind last.
func outlived(r store.Reader, w webhook, after chime.DeliveryID, before uint64) (old []chime.WebhookDelivery, last chime.DeliveryID, more bool, err error) {
	rng := store.Prefix(w.key())
	if after != (chime.DeliveryID{}) {
		rng.From = w.delivery(chime.DeliveryID{Position: after.Position, Number: after.Number + 1})
	}
	looked := 0
	err = store.WebhookDeliveries.Each(r, rng, func(_ store.Key, d chime.WebhookDelivery) (bool, error) {
		if d.Queued >= before {
			more = false
			return false, nil
		}
		if looked++; looked > forgetAtOnce {
			more = true
			return false, nil
		}
		if last = d.DeliveryID; d.Status != chime.DeliveryPending {
			old = append(old, d)
		}
		return true, nil
	})
	return old, last, more, err
}
