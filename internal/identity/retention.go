package identity

import (
	"context"
	"time"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
)

// retentionGrace is how long messages past their time can be brought back by another setting,
// before they begin to be removed permanently (spec 8.6).
const retentionGrace = chime.Millis(30 * 24 * time.Hour / time.Millisecond)

// PutAppInstanceRetentionSettings sets for how many days the messages of the app instance can be
// seen; settings without a number of days turn that off. The grace period begins again with
// each call.
func (s *Service) PutAppInstanceRetentionSettings(ctx context.Context, req *wire.PutAppInstanceRetentionSettingsRequest) (*wire.PutAppInstanceRetentionSettingsResponse, error) {
	var retention *chime.Retention
	_, err := s.changeAppInstance(ctx, req.AppInstanceARN, chime.EventPutRetention, func(app *chime.AppInstance, now chime.Millis) {
		if channels := req.AppInstanceRetentionSettings.ChannelRetentionSettings; channels != nil && channels.RetentionDays != nil {
			retention = &chime.Retention{Days: *channels.RetentionDays, Deletion: now + retentionGrace}

			// A setting that is not longer shows nothing again, also by a clock that was set back.
			if former := app.Retention; former != nil && retention.Days <= former.Days {
				retention.Hidden = former.Hidden
			}
			retention.Hidden = retention.Before(now)
		}
		app.Retention = retention
	})
	if err != nil {
		return nil, err
	}

	resp := new(wire.PutAppInstanceRetentionSettingsResponse)
	resp.AppInstanceRetentionSettings, resp.InitiateDeletionTimestamp = retentionSettings(retention)
	return resp, nil
}

// GetAppInstanceRetentionSettings answers empty settings when there are none.
func (s *Service) GetAppInstanceRetentionSettings(ctx context.Context, req *wire.GetAppInstanceRetentionSettingsRequest) (*wire.GetAppInstanceRetentionSettingsResponse, error) {
	app, err := s.loadAppInstance(ctx, req.AppInstanceARN)
	if err != nil {
		return nil, err
	}
	resp := new(wire.GetAppInstanceRetentionSettingsResponse)
	resp.AppInstanceRetentionSettings, resp.InitiateDeletionTimestamp = retentionSettings(app.Retention)
	return resp, nil
}

func retentionSettings(r *chime.Retention) (*wire.AppInstanceRetentionSettings, *time.Time) {
	if r == nil {
		return new(wire.AppInstanceRetentionSettings), nil
	}
	return &wire.AppInstanceRetentionSettings{
		ChannelRetentionSettings: &wire.ChannelRetentionSettings{RetentionDays: &r.Days},
	}, r.Deletion.Optional()
}
