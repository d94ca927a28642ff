package message

import (
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Oldest is the creation time of the oldest messages that can still be seen, zero when all can.
// Retention hides what is older at once, long before it is removed, and shows it again when it
// is lengthened meanwhile (spec 8.6).
func (s *Service) Oldest(r store.Reader, v *channel.Visit) (chime.Millis, error) {
	app, _, err := store.AppInstances.Get(r, store.K(v.Actor.App))
	return oldest(&app, s.now()), err
}

func oldest(app *chime.AppInstance, now chime.Millis) chime.Millis {
	if app.Retention == nil {
		return 0
	}
	return app.Retention.Before(now)
}

// Floor is the key in the history before which nothing can be seen, nil when all can. Oldest is what
// Service.Oldest returned.
func Floor(v *channel.Visit, oldest chime.Millis) store.Key {
	if oldest == 0 {
		return nil
	}
	return v.History().Str(chime.FirstMessageID(oldest))
}
