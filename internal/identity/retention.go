package identity

import (
	"context"
	"time"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// retentionGrace is how long messages past their time can be brought back by another setting,
// before they begin to be removed permanently (spec 8.6).
const retentionGrace = chime.Millis(30 * 24 * time.Hour / time.Millisecond)

// PutAppInstanceRetentionSettings sets for how many days the messages of the app instance can be
// seen; settings without a number of days turn that off. The grace period begins again with
// each call.
func (s *Service) PutAppInstanceRetentionSettings(ctx context.Context, req *wire.PutAppInstanceRetentionSettingsRequest) (*wire.PutAppInstanceRetentionSettingsResponse, error) {
	res, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}

	now := s.now()
	var retention *chime.Retention
	if channels := req.AppInstanceRetentionSettings.ChannelRetentionSettings; channels != nil && channels.RetentionDays != nil {
		retention = &chime.Retention{Days: *channels.RetentionDays, Deletion: now + retentionGrace}
	}

	err = s.store.Update(ctx, res.App, func(tx store.Tx) error {
		app, err := appInstance(tx, res.App)
		if err != nil {
			return err
		}
		app.Retention = retention
		if err := store.AppInstances.Put(tx, store.K(app.ID), app); err != nil {
			return err
		}
		_, err = tx.Append(appEvent(chime.EventPutRetention, app.ID, now))
		return err
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
	res, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}
	var app chime.AppInstance
	err = s.store.View(ctx, res.App, func(r store.Reader) (err error) {
		app, err = appInstance(r, res.App)
		return err
	})
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
