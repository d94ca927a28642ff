package identity_test

import (
	"context"
	"slices"
	"testing"
	"time"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
)

func days(n int) *wire.AppInstanceRetentionSettings {
	return &wire.AppInstanceRetentionSettings{ChannelRetentionSettings: &wire.ChannelRetentionSettings{RetentionDays: &n}}
}

func (w *world) retain(app string, n int) error {
	return of(w.PutAppInstanceRetentionSettings, wire.PutAppInstanceRetentionSettingsRequest{AppInstanceARN: app, AppInstanceRetentionSettings: days(n)})
}

func TestRetentionSettingsAreKeptAndTurnedOff(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		app := w.app("app")
		want := func(settings *wire.AppInstanceRetentionSettings, deletion *time.Time, n int) {
			w.t.Helper()
			if settings == nil {
				w.t.Fatal("no settings in the answer")
			}
			if n == 0 {
				if settings.ChannelRetentionSettings != nil || deletion != nil {
					w.t.Errorf("got %+v, %v", settings.ChannelRetentionSettings, deletion)
				}
				return
			}
			if got := settings.ChannelRetentionSettings; got == nil || *got.RetentionDays != n {
				w.t.Errorf("settings %+v", got)
			}
			if deletion == nil || !deletion.Equal(w.now.Add(30*24*time.Hour)) {
				w.t.Errorf("deletion begins at %v", deletion)
			}
		}
		get := func(n int) {
			w.t.Helper()
			resp, err := w.GetAppInstanceRetentionSettings(ctx, &wire.GetAppInstanceRetentionSettingsRequest{AppInstanceARN: app})
			ok(w.t, err)
			want(resp.AppInstanceRetentionSettings, resp.InitiateDeletionTimestamp, n)
		}
		get(0)
		for name, step := range map[string]struct {
			settings *wire.AppInstanceRetentionSettings
			days     int
		}{
			"shortest":       {days(1), 1},
			"longest":        {days(5475), 5475},
			"off":            {&wire.AppInstanceRetentionSettings{ChannelRetentionSettings: &wire.ChannelRetentionSettings{}}, 0},
			"off altogether": {&wire.AppInstanceRetentionSettings{}, 0},
		} {
			w.pass(time.Hour)
			ok(w.t, w.retain(app, 7))
			get(7)
			w.pass(time.Hour)
			position := w.position(app)
			resp, err := w.PutAppInstanceRetentionSettings(ctx, &wire.PutAppInstanceRetentionSettingsRequest{
				AppInstanceARN: app, AppInstanceRetentionSettings: step.settings,
			})
			ok(w.t, err)
			w.t.Log(name)
			want(resp.AppInstanceRetentionSettings, resp.InitiateDeletionTimestamp, step.days)
			get(step.days)
			if got := w.events(app, position); !slices.Equal(got, []string{"PUT_APP_INSTANCE_RETENTION_SETTINGS"}) {
				w.t.Errorf("events %q", got)
			}
		}
		described, err := w.describeApp(app)
		ok(w.t, err)
		if described.Name != "app" {
			w.t.Errorf("described as %+v", described)
		}
	})
}

func TestUserExpirationIsReplacedAndRemoved(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		alice := w.user(app, "alice")
		put := func(settings *wire.ExpirationSettings) {
			w.t.Helper()
			w.pass(time.Minute)
			position := w.position(app)
			resp, err := w.PutAppInstanceUserExpirationSettings(context.Background(), &wire.PutAppInstanceUserExpirationSettingsRequest{
				AppInstanceUserARN: alice, ExpirationSettings: settings,
			})
			ok(w.t, err)
			user, err := w.describeUser(alice)
			ok(w.t, err)
			if resp.AppInstanceUserARN != alice {
				w.t.Errorf("answered for %s", resp.AppInstanceUserARN)
			}
			for _, got := range []*wire.ExpirationSettings{resp.ExpirationSettings, user.ExpirationSettings} {
				if (got == nil) != (settings == nil) || got != nil && *got != *settings {
					w.t.Errorf("got %+v, want %+v", got, settings)
				}
			}
			if user.Name != "Name of alice" {
				w.t.Errorf("the user is now %+v", user)
			}
			if got := w.events(app, position); !slices.Equal(got, []string{"PUT_APP_INSTANCE_USER_EXPIRATION_SETTINGS user/alice"}) {
				w.t.Errorf("events %q", got)
			}
		}
		put(&wire.ExpirationSettings{ExpirationDays: 1, ExpirationCriterion: "CREATED_TIMESTAMP"})
		put(&wire.ExpirationSettings{ExpirationDays: 5475, ExpirationCriterion: "CREATED_TIMESTAMP"})
		put(nil)
		put(nil)
	})
}
