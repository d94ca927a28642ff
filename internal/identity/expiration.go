package identity

import (
	"context"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// expirationOf returns the settings for a user of that creation, which is the one criterion of users.
func expirationOf(e *wire.ExpirationSettings, created chime.Millis) *chime.Expiration {
	if e == nil {
		return nil
	}
	kept := &chime.Expiration{Days: e.ExpirationDays, Criterion: string(e.ExpirationCriterion)}
	kept.Due = kept.After(created)
	return kept
}

func expirationSettings(e *chime.Expiration) *wire.ExpirationSettings {
	if e == nil {
		return nil
	}
	return &wire.ExpirationSettings{ExpirationDays: e.Days, ExpirationCriterion: wire.ExpirationCriterion(e.Criterion)}
}

// expiringUser is the user's entry in the list of what expires, if it has settings for that.
func expiringUser(app string, user *chime.User) []store.Row {
	if user.Expiration == nil {
		return nil
	}
	return []store.Row{store.ExpiringUser(app, user).Row()}
}

// Expire deletes the user of an entry as DeleteAppInstanceUser does, when it has expired by the date, with
// an event for the audit log. Else the entry is put off until it will, or removed when it stands for nothing. It may be called again after
// a crash: what it deleted has no entry, and the rest is a task.
func (s *Service) Expire(ctx context.Context, at store.Expiring, date chime.Millis) (expired bool, err error) {
	res := chime.Resource{App: at.App, Kind: chime.KindUser, ID: at.ID}
	var task chime.Task
	err = s.store.Update(ctx, at.App, func(tx store.Tx) (err error) {
		expired = false
		there, err := store.AppInstances.Has(tx, store.K(at.App))
		if err != nil || !there { // its entries go with it
			return err
		}
		user, found, err := store.Users.Get(tx, store.K(at.App, at.ID))
		if err != nil {
			return err
		}
		if !found || user.Expiration == nil || user.Expiration.Due != at.Due {
			return store.Remove(tx, at.Row())
		}

		if due := user.Expiration.After(user.Created); due > date {
			return users.replace(tx, res, user, func(user *chime.User) { user.Expiration.Due = due })
		}
		expired = true
		now := s.now()
		if _, err := tx.Append(eventOf(chime.EventExpireUser, at.App, at.Ref, now)); err != nil {
			return err
		}
		task, err = users.remove(tx, s, res, chime.EventDeleteUser, now)
		return err
	})
	if err == nil && expired {
		err = s.jobs.Do(ctx, task)
	}
	return expired, err
}
