package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/expiration"
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

		if err := expiration.Set(tx, v.Actor.App, &v.Channel, expiration.New(req.ExpirationSettings)); err != nil {
			return err
		}
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

// Expire deletes the channel of an entry as DeleteChannel does, when it has expired by the date, with an
// event for the audit log. Else the entry is put off until it will, or removed when it stands for nothing.
// It may be called again after a crash: what it deleted has no entry, and the rest is a task.
func (s *Service) Expire(ctx context.Context, at store.Expiring, date chime.Millis) (expired bool, err error) {
	var v *Visit
	err = s.turns.Update(ctx, at.App, func(tx store.Tx) (err error) {
		v = s.visitOf(at.App, "", chime.ChannelEntry{})
		if v.Channel, expired, err = expiration.Look(tx, at, date); err != nil || !expired {
			return err
		}
		now := s.now()
		if _, err := tx.Append(v.event(chime.EventExpireChannel, now, v.Channel.ID, nil)); err != nil {
			return err
		}
		if err := v.announce(tx, chime.EventDeleteChannel, now); err != nil {
			return err
		}
		return s.remove(tx, v)
	})
	if err == nil && v.rest != nil {
		err = s.jobs.Do(ctx, *v.rest)
	}
	return expired, err
}

// errNoBearer refuses a call without the bearer, which the models of two operations call optional (spec 2.3).
var errNoBearer error = api.BadRequest("ChimeBearer", "is required")
