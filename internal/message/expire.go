package message

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// expiredAtOnce bounds the messages of one transaction that expire.
const expiredAtOnce = 100

// Expire fails the messages whose processors have not called back in 48 hours, and forgets callbacks that
// are as old.
func (s *Service) Expire(ctx context.Context) error {
	if err := s.expireLive(ctx); err != nil {
		return err
	}
	for from := store.Key(nil); ; {
		app, found, err := s.nextWithCallbacks(ctx, from)
		if err != nil || !found {
			return err
		}
		for more := true; more; {
			if more, err = s.expireIn(ctx, app); err != nil {
				return err
			}
		}
		from = store.Prefix(store.K(app)).To
	}
}

// nextWithCallbacks finds the first app instance from a key on that has callbacks.
func (s *Service) nextWithCallbacks(ctx context.Context, from store.Key) (app string, found bool, err error) {
	err = s.store.View(ctx, "", func(r store.Reader) error {
		return r.Scan(store.Callbacks.ID, store.Range{From: from}, func(key store.Key, _ []byte) (bool, error) {
			app, err = key.App()
			found = err == nil
			return false, err
		})
	})
	return app, found, err
}

// expireIn expires the oldest callbacks of an app instance; more reports that it may have left some.
func (s *Service) expireIn(ctx context.Context, app string) (more bool, err error) {
	oldest := s.oldestCallback()
	err = s.store.Update(ctx, app, func(tx store.Tx) error {
		n := 0
		err := store.Callbacks.Each(tx, store.Range{From: store.K(app), To: store.K(app, oldest)}, func(key store.Key, c chime.Callback) (bool, error) {
			n++
			if err := store.Callbacks.Delete(tx, key); err != nil || c.Answer != nil {
				return n < expiredAtOnce, err
			}
			p, found, err := store.Processings.Get(tx, processingKey(app, c.Channel, c.Message))
			if err == nil && found && p.Callback < oldest { // else the message is gone, or further on
				err = s.conclude(tx, app, &p, expired)
			}
			return n < expiredAtOnce, err
		})
		more = n == expiredAtOnce
		return err
	})
	return more, err
}

// expired is the outcome of a message whose processor did not call back in time.
var expired = result{status: messaging.ChannelMessageStatusFailed, detail: detailExpired}
