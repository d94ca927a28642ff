package identity

import (
	"context"
	"errors"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// The account has a list of the app instances and their number. An app instance is on it from before it
// comes to be until after it is deleted.

// enlist puts an app instance at the end of the list, and returns its place there.
func (s *Service) enlist(tx store.Tx, id string, now chime.Millis) (order uint64, err error) {
	if order, err = tx.Append(chime.Event{Time: now, Type: chime.EventUpdateAppInstances}); err != nil {
		return 0, err
	}
	return order, store.Insert(tx, s.listRows(id, order)...)
}

// listRows are the rows of an app instance on the list.
func (s *Service) listRows(id string, order uint64) []store.Row {
	return []store.Row{
		store.AppInstancesInOrder.Row(store.Key(nil).Num(order), id),
		counter("", countApps, s.limits.AppInstances),
	}
}

// unlist takes it off the list, unless that was done before.
func (s *Service) unlist(tx store.Tx, id string, order uint64) error {
	there, found, err := store.AppInstancesInOrder.Get(tx, store.Key(nil).Num(order))
	if err != nil || !found || there != id {
		return err
	}
	if err := store.Remove(tx, s.listRows(id, order)...); err != nil {
		return err
	}
	_, err = tx.Append(chime.Event{Time: s.now(), Type: chime.EventUpdateAppInstances})
	return err
}

// listed finds the place of an app instance on the list.
func listed(r store.Reader, id string) (order uint64, found bool, err error) {
	err = store.AppInstancesInOrder.Each(r, store.Range{}, func(key store.Key, there string) (bool, error) {
		if found = there == id; !found {
			return true, nil
		}
		order, err = key.LastNumber()
		return false, err
	})
	return order, found, err
}

// ForgetUnborn takes those app instances off the list whose creation was cut off by the end of the process.
// It is called before the Service answers requests.
func (s *Service) ForgetUnborn(ctx context.Context) error {
	unborn := map[string]uint64{}
	err := s.store.View(ctx, "", func(r store.Reader) error {
		clear(unborn)
		return store.AppInstancesInOrder.Each(r, store.Range{}, func(key store.Key, id string) (bool, error) {
			there, err := store.AppInstances.Has(r, store.K(id))
			if err != nil || there {
				return true, err
			}
			order, err := key.LastNumber()
			unborn[id] = order
			return true, err
		})
	})
	if err != nil {
		return err
	}
	var failed []error
	for id, order := range unborn {
		failed = append(failed, s.store.Update(ctx, "", func(tx store.Tx) error { return s.unlist(tx, id, order) }))
	}
	return errors.Join(failed...)
}
