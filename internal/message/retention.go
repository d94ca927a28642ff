package message

import (
	"time"

	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// oldest is the creation time of the oldest messages that can still be seen, zero when all can.
// Retention hides what is older at once, long before it is removed, and shows it again when it
// is lengthened meanwhile (spec 8.6).
func (s *Service) oldest(r store.Reader, v *channel.Visit) (chime.Millis, error) {
	app, _, err := store.AppInstances.Get(r, store.K(v.Actor.App))
	if err != nil || app.Retention == nil {
		return 0, err
	}
	kept := time.Duration(app.Retention.Days) * 24 * time.Hour
	return s.now() - chime.Millis(kept.Milliseconds()), nil
}

// floor is the place of those messages in the history, nil when all can be seen.
func (s *Service) floor(r store.Reader, v *channel.Visit) (store.Key, error) {
	oldest, err := s.oldest(r, v)
	if err != nil || oldest == 0 {
		return nil, err
	}
	return v.History().Str(chime.FirstMessageID(oldest)), nil
}
