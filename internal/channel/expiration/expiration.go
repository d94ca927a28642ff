// Package expiration has the settings under which a channel expires, and keeps its place on the list of
// what expires.
package expiration

import (
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// New returns the settings of a request, nil for none.
func New(e *messaging.ExpirationSettings) *chime.Expiration {
	if e == nil {
		return nil
	}
	return &chime.Expiration{Days: e.ExpirationDays, Criterion: string(e.ExpirationCriterion)}
}

// Show returns the settings as the API has them.
func Show(e *chime.Expiration) *messaging.ExpirationSettings {
	if e == nil {
		return nil
	}
	return &messaging.ExpirationSettings{ExpirationDays: e.Days, ExpirationCriterion: messaging.ExpirationCriterion(e.Criterion)}
}

// Rows are the channel's entry in the list of what expires, if it has settings for that.
func Rows(app string, c *chime.Channel) []store.Row {
	if c.Expiration == nil {
		return nil
	}
	return []store.Row{store.ExpiringChannel(app, c).Row()}
}

// Set gives the channel settings, or none, and the place on the list that follows from them as things are.
// The caller saves the record.
func Set(tx store.Tx, app string, c *chime.Channel, e *chime.Expiration) (err error) {
	if err := store.Remove(tx, Rows(app, c)...); err != nil {
		return err
	}
	if c.Expiration = e; e != nil {
		if e.Due, err = due(tx, app, c); err != nil {
			return err
		}
	}
	return store.Insert(tx, Rows(app, c)...)
}

// Look reads the channel of an entry and reports whether it has expired by the date. One that has not is put
// off until it will, and an entry that stands for nothing is removed.
func Look(tx store.Tx, at store.Expiring, date chime.Millis) (c chime.Channel, expired bool, err error) {
	there, err := store.AppInstances.Has(tx, store.K(at.App))
	if err != nil || !there { // its entries go with it
		return c, false, err
	}
	key := store.K(at.App, at.ID)
	c, found, err := store.Channels.Get(tx, key)
	if err != nil {
		return c, false, err
	}
	if entry, _ := at.Channel(); !found || c.UID != entry.UID || c.Expiration == nil || c.Expiration.Due != at.Due {
		return c, false, store.Remove(tx, at.Row())
	}

	// A message may have moved the time.
	if err := Set(tx, at.App, &c, c.Expiration); err != nil {
		return c, false, err
	}
	if c.Expiration.Due <= date {
		return c, true, nil
	}
	return c, false, store.Channels.Put(tx, key, c)
}

// due is when the channel expires. Without a message its creation counts (spec 12.6 #82).
func due(r store.Reader, app string, c *chime.Channel) (chime.Millis, error) {
	from := c.Created
	if c.Expiration.Criterion == string(messaging.ExpirationCriterionLastMessageTimestamp) {
		last, err := lastMessage(r, store.K(app, c.UID), c.Elastic != nil)
		if err != nil {
			return 0, err
		}
		from = max(from, last)
	}
	return c.Expiration.After(from), nil
}

// lastMessage is the time of the latest persistent message, also of one that not every member may see, but
// for those of an elastic channel.
func lastMessage(r store.Reader, history store.Key, elastic bool) (last chime.Millis, err error) {
	activity, _, err := store.Activities.Get(r, history)
	if err != nil || activity.Unseen == 0 || elastic {
		return activity.LastMessage, err
	}
	latest := store.Prefix(history)
	latest.Reverse = true
	err = store.Messages.Each(r, latest, func(_ store.Key, m chime.Message) (bool, error) {
		last = m.Created
		return false, nil
	})
	return max(last, activity.LastMessage), err
}
