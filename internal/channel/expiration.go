package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// PutChannelExpirationSettings sets when the channel deletes itself; without settings it does not.
// Callers that may update the channel may do so (rule x), and sockets are not notified.
func (s *Service) PutChannelExpirationSettings(ctx context.Context, req *messaging.PutChannelExpirationSettingsRequest) (*messaging.PutChannelExpirationSettingsResponse, error) {
	if req.ChimeBearer == nil {
		return nil, errNoBearer
	}
	err := s.update(ctx, "PutChannelExpirationSettings", *req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}

		v.Channel.Expiration = newExpiration(req.ExpirationSettings)
		e, err := v.channelEvent(tx, chime.EventUpdateExpiration, s.now())
		if err != nil {
			return err
		}
		e.Subject = v.Actor.Ref
		if _, err := tx.Append(e); err != nil {
			return err
		}
		return v.save(tx)
	})
	return &messaging.PutChannelExpirationSettingsResponse{ChannelARN: req.ChannelARN, ExpirationSettings: req.ExpirationSettings}, err
}

// errNoBearer refuses a call without the bearer, which the models of two operations call optional (spec 2.3).
var errNoBearer error = api.BadRequest("ChimeBearer", "is required")

func newExpiration(e *messaging.ExpirationSettings) *chime.Expiration {
	if e == nil {
		return nil
	}
	return &chime.Expiration{Days: e.ExpirationDays, Criterion: string(e.ExpirationCriterion)}
}

func showExpiration(e *chime.Expiration) *messaging.ExpirationSettings {
	if e == nil {
		return nil
	}
	return &messaging.ExpirationSettings{ExpirationDays: e.Days, ExpirationCriterion: messaging.ExpirationCriterion(e.Criterion)}
}
