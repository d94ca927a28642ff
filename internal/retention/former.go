package retention

import (
	"context"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Settings of versions that acted upon none are on no list. They are listed once, by a look at every
// channel and user, and Expire does the rest: it puts off what has no entry, too.

// listedKey is where it is noted that this is done.
var listedKey = store.K("", "expirations listed")

// formerAtOnce is how many records one view reads.
const formerAtOnce = 1000

func (e *Expiry) listFormer(ctx context.Context, date chime.Millis) error {
	if e.hasListed {
		return nil
	}
	err := e.o.Store.View(ctx, "", func(r store.Reader) (err error) {
		e.hasListed, err = store.Counts.Has(r, listedKey)
		return err
	})
	if err != nil || e.hasListed {
		return err
	}

	err = listOf(ctx, e, date, store.Channels, func(app string, c *chime.Channel) (store.Expiring, bool) {
		if c.Expiration == nil || c.Expiration.Due != 0 {
			return store.Expiring{}, false
		}
		return store.ExpiringChannel(app, c), true
	})
	if err != nil {
		return err
	}
	err = listOf(ctx, e, date, store.Users, func(app string, u *chime.User) (store.Expiring, bool) {
		if u.Expiration == nil || u.Expiration.Due != 0 {
			return store.Expiring{}, false
		}
		return store.ExpiringUser(app, u), true
	})
	if err != nil {
		return err
	}

	err = e.o.Store.Update(ctx, "", func(tx store.Tx) error { return store.Counts.Put(tx, listedKey, 1) })
	e.hasListed = err == nil
	return err
}

// listOf lists those records of a table that missing picks.
func listOf[V any](ctx context.Context, e *Expiry, date chime.Millis, records store.Table[V], missing func(app string, record *V) (store.Expiring, bool)) error {
	for from, more := store.Key(nil), true; more; {
		var found []store.Expiring
		err := e.o.Store.View(ctx, "", func(r store.Reader) error {
			found, more = nil, false
			read, next := 0, from
			err := records.Each(r, store.Range{From: from}, func(key store.Key, record V) (bool, error) {
				if read++; read > formerAtOnce {
					next, more = slices.Clone(key), true
					return false, nil
				}
				app, err := key.App()
				if at, is := missing(app, &record); is {
					found = append(found, at)
				}
				return true, err
			})
			from = next
			return err
		})
		if err != nil {
			return err
		}
		for _, at := range found {
			if _, err := e.expireOne(ctx, at, date); err != nil {
				return err
			}
		}
	}
	return nil
}
