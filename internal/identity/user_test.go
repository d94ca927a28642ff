package identity_test

import (
	"context"
	"slices"
	"testing"
	"time"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

func TestUserIsDescribedAsCreatedAndUpdated(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		app := w.app("app")
		position := w.position(app)
		created, err := w.CreateAppInstanceUser(ctx, &wire.CreateAppInstanceUserRequest{
			AppInstanceARN: app, AppInstanceUserID: "us-east-1:ali@ce", Name: "Alice", Metadata: ptr("m"),
			ExpirationSettings: &wire.ExpirationSettings{ExpirationDays: 30, ExpirationCriterion: wire.ExpirationCriterionCreatedTimestamp},
		})
		ok(w.t, err)
		arn := created.AppInstanceUserARN
		if arn != app+"/user/us-east-1:ali@ce" {
			w.t.Errorf("ARN %s", arn)
		}
		first, err := w.describeUser(arn)
		ok(w.t, err)
		if first.AppInstanceUserARN != arn || first.Name != "Alice" || first.Metadata != "m" ||
			!first.CreatedTimestamp.Equal(w.now) || !first.LastUpdatedTimestamp.Equal(w.now) ||
			first.ExpirationSettings == nil || first.ExpirationSettings.ExpirationDays != 30 ||
			first.ExpirationSettings.ExpirationCriterion != wire.ExpirationCriterionCreatedTimestamp {
			w.t.Errorf("described as %+v", first)
		}
		if got := w.events(app, position); !slices.Equal(got, []string{"CREATE_APP_INSTANCE_USER user/us-east-1:ali@ce"}) {
			w.t.Errorf("events %q", got)
		}

		w.pass(time.Minute)
		position = w.position(app)
		updated, err := w.UpdateAppInstanceUser(ctx, &wire.UpdateAppInstanceUserRequest{AppInstanceUserARN: arn, Name: "Alicia", Metadata: ptr("")})
		ok(w.t, err)
		second, err := w.describeUser(arn)
		ok(w.t, err)
		if updated.AppInstanceUserARN != arn || second.Name != "Alicia" || second.Metadata != "" ||
			!second.CreatedTimestamp.Equal(*first.CreatedTimestamp) || !second.LastUpdatedTimestamp.Equal(w.now) ||
			second.ExpirationSettings == nil {
			w.t.Errorf("after the update: %+v", second)
		}
		if got := w.events(app, position); !slices.Equal(got, []string{"UPDATE_APP_INSTANCE_USER user/us-east-1:ali@ce"}) {
			w.t.Errorf("events %q", got)
		}
		other, err := w.describeUser(w.user(app, "bob"))
		ok(w.t, err)
		if other.ExpirationSettings != nil {
			w.t.Error("bob has expiration settings that nobody gave")
		}
	})
}

func TestCreatingAUserAgain(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		create := func(change func(*wire.CreateAppInstanceUserRequest)) error {
			req := userRequest(app, "alice")
			change(req)
			_, err := w.CreateAppInstanceUser(context.Background(), req)
			return err
		}
		token := func(token string) func(*wire.CreateAppInstanceUserRequest) {
			return func(r *wire.CreateAppInstanceUserRequest) { r.ClientRequestToken = token }
		}
		ok(w.t, create(token("t1")))
		position := w.position(app)
		w.pass(time.Minute)

		ok(w.t, create(token("t1")))
		ok(w.t, create(token("t2"))) // equal, with a new token: as at each login
		ok(w.t, create(func(r *wire.CreateAppInstanceUserRequest) { r.Metadata = ptr("") }))
		refused(w.t, create(func(r *wire.CreateAppInstanceUserRequest) { r.Name = "Eve" }), "ConflictException", "Name or Metadata")
		refused(w.t, create(func(r *wire.CreateAppInstanceUserRequest) { r.Metadata = ptr("x") }), "ConflictException", "Name or Metadata")
		refused(w.t, create(func(r *wire.CreateAppInstanceUserRequest) {
			r.ClientRequestToken, r.AppInstanceUserID = "t1", "bob"
		}), "ConflictException", "ClientRequestToken")

		if got := w.events(app, position); len(got) != 0 {
			w.t.Errorf("events %q", got)
		}
		user, err := w.describeUser(app + "/user/alice")
		ok(w.t, err)
		if user.Name != "Name of alice" || user.LastUpdatedTimestamp.Equal(w.now) {
			w.t.Errorf("the user was changed: %+v", user)
		}
	})
}

func TestUserIdsBelongToTheirAppInstance(t *testing.T) {
	onEachEngine(t, func(w *world) {
		one, two := w.app("one"), w.app("two")
		w.user(one, "alice")
		_, err := w.describeUser(two + "/user/alice")
		refused(w.t, err, "NotFoundException", "AppInstanceUserArn")
		_, err = w.describeUser(one + "/user/Alice")
		refused(w.t, err, "NotFoundException", "AppInstanceUserArn")
		w.user(two, "alice")
	})
}

func TestUserLimit(t *testing.T) {
	onEachEngine(t, func(w *world) {
		w.limits = identity.Limits{Users: 2}
		w.start()
		app := w.app("app")
		alice := w.user(app, "alice")
		w.user(app, "bob")
		w.user(app, "bob") // again, which counts for nothing
		_, err := w.CreateAppInstanceUser(context.Background(), userRequest(app, "carol"))
		refused(w.t, err, "ResourceLimitExceededException", "2 users")
		w.user(w.app("other"), "carol")

		ok(w.t, w.deleteUser(alice))
		w.user(app, "carol")
		_, err = w.CreateAppInstanceUser(context.Background(), userRequest(app, "dave"))
		refused(w.t, err, "ResourceLimitExceededException", "2 users")
	})
}

// A call that is equal to the one that made the user changes nothing, whatever was changed since: login
// hooks create the user at each login.
func TestCreatingAUserAgainAfterItWasUpdated(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		create := func(name, metadata string) error {
			req := userRequest(app, "dan")
			req.Name, req.Metadata = name, ptr(metadata)
			_, err := w.CreateAppInstanceUser(context.Background(), req)
			return err
		}
		update := func(name, metadata string) {
			w.t.Helper()
			_, err := w.UpdateAppInstanceUser(context.Background(), &wire.UpdateAppInstanceUserRequest{
				AppInstanceUserARN: app + "/user/dan", Name: name, Metadata: ptr(metadata)})
			ok(w.t, err)
		}
		ok(w.t, create("Dan", ""))
		update("Dan", `{"avatar":1}`)
		position := w.position(app)
		ok(w.t, create("Dan", ""))
		refused(w.t, create("Dan", "else"), "ConflictException", "Name or Metadata")
		ok(w.t, create("Dan", `{"avatar":1}`)) // as it is now
		if got := w.events(app, position); len(got) > 0 {
			w.t.Errorf("events %q", got)
		}
		update("Daniel", "")
		ok(w.t, create("Dan", ""))
		refused(w.t, create("Da", "n"), "ConflictException", "Name or Metadata")
		if dan, err := w.describeUser(app + "/user/dan"); err != nil || dan.Name != "Daniel" {
			w.t.Errorf("dan is %+v, %v", dan, err)
		}

		// A record of before what was asked for was kept: an equal Name is enough.
		res, err := site.Parse("AppInstanceArn", app)
		ok(w.t, err)
		ok(w.t, w.store.Update(context.Background(), res.App, func(tx store.Tx) error {
			dan, _, err := store.Users.Get(tx, store.K(res.App, "dan"))
			if err != nil {
				return err
			}
			dan.Asked = nil
			return store.Users.Put(tx, store.K(res.App, "dan"), dan)
		}))
		ok(w.t, create("Daniel", "whatever"))
		refused(w.t, create("Dan", ""), "ConflictException", "Name or Metadata")
	})
}
