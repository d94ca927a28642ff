package identity_test

import (
	"context"
	"slices"
	"testing"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

func (w *world) describeAdmin(app, user string) (*wire.AppInstanceAdmin, error) {
	resp, err := w.DescribeAppInstanceAdmin(context.Background(), &wire.DescribeAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: user})
	if err != nil {
		return nil, err
	}
	return resp.AppInstanceAdmin, nil
}

func (w *world) deleteAdmin(app, user string) error {
	_, err := w.DeleteAppInstanceAdmin(context.Background(), &wire.DeleteAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: user})
	return err
}

func (w *world) isAdmin(user string) bool {
	w.t.Helper()
	actor, err := w.bearer(user)
	ok(w.t, err)
	return actor.Admin
}

func (w *world) bearer(arn string) (identity.Actor, error) {
	return view(w, func(r store.Reader) (identity.Actor, error) { return identity.ResolveBearer(r, site, arn) })
}

func TestAdminRoleIsGivenAndTaken(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		app := w.app("app")
		alice := w.user(app, "alice")
		position := w.position(app)
		resp, err := w.CreateAppInstanceAdmin(ctx, &wire.CreateAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: alice})
		ok(w.t, err)
		want := wire.Identity{ARN: alice, Name: "Name of alice"}
		if resp.AppInstanceARN != app || resp.AppInstanceAdmin == nil || *resp.AppInstanceAdmin != want {
			w.t.Errorf("created %+v", resp)
		}
		admin, err := w.describeAdmin(app, alice)
		ok(w.t, err)
		if *admin.Admin != want || admin.AppInstanceARN != app || !admin.CreatedTimestamp.Equal(w.now) {
			w.t.Errorf("described as %+v", admin)
		}
		if !w.isAdmin(alice) {
			w.t.Error("the role has no effect")
		}
		_, err = w.CreateAppInstanceAdmin(ctx, &wire.CreateAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: alice})
		refused(w.t, err, "ConflictException", "AppInstanceAdminArn")

		ok(w.t, w.deleteAdmin(app, alice))
		ok(w.t, w.deleteAdmin(app, alice)) // nothing to take, nothing to say
		if w.isAdmin(alice) {
			w.t.Error("the role has effect after it was taken")
		}
		_, err = w.describeAdmin(app, alice)
		refused(w.t, err, "ForbiddenException", "AppInstanceAdminArn")
		if _, err := w.describeUser(alice); err != nil {
			w.t.Errorf("the user went with the role: %v", err)
		}
		if got := w.events(app, position); !slices.Equal(got, []string{
			"CREATE_APP_INSTANCE_ADMIN user/alice", "DELETE_APP_INSTANCE_ADMIN user/alice",
		}) {
			w.t.Errorf("events %q", got)
		}
	})
}

func TestAdminsAreShownUnderTheirPresentName(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		alice := w.user(app, "alice")
		w.admin(app, alice)
		_, err := w.UpdateAppInstanceUser(context.Background(), &wire.UpdateAppInstanceUserRequest{AppInstanceUserARN: alice, Name: "Alicia", Metadata: ptr("")})
		ok(w.t, err)
		admin, err := w.describeAdmin(app, alice)
		ok(w.t, err)
		if admin.Admin.Name != "Alicia" {
			w.t.Errorf("the admin is shown as %q", admin.Admin.Name)
		}
	})
}

func TestAdminLimit(t *testing.T) {
	onEachEngine(t, func(w *world) {
		w.limits = identity.Limits{Admins: 1}
		w.start()
		app := w.app("app")
		alice, bob := w.user(app, "alice"), w.user(app, "bob")
		w.admin(app, alice)
		_, err := w.CreateAppInstanceAdmin(context.Background(), &wire.CreateAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: bob})
		refused(w.t, err, "ResourceLimitExceededException", "1 admins")
		ok(w.t, w.deleteUser(alice)) // frees the role as well
		w.admin(app, bob)
	})
}

func TestBearerIsResolvedToWhoItIs(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		res, err := site.Parse("AppInstanceArn", app)
		ok(w.t, err)
		alice, bob := w.user(app, "alice"), w.user(app, "bob")
		w.admin(app, alice)

		actor, err := w.bearer(alice)
		ok(w.t, err)
		if actor.Since == 0 || actor.Created == 0 {
			w.t.Errorf("%+v says not since when it is", actor)
		}
		holder := chime.Holder{Ref: "user/alice", Since: actor.Since, Created: actor.Created}
		if want := (identity.Actor{App: res.App, Holder: holder, Name: "Name of alice", Admin: true}); actor != want {
			w.t.Errorf("got %+v", actor)
		}
		gone := w.user(app, "gone")
		ok(w.t, w.deleteUser(gone))
		for name, arn := range map[string]string{
			"malformed":       "alice",
			"wrong kind":      app,
			"channel":         app + "/channel/c",
			"foreign account": chime.Site{Region: "us-east-1", Account: "111111111111"}.RefARN(res.App, "user/alice"),
			"foreign region":  chime.Site{Region: "eu-central-1", Account: "000000000000"}.RefARN(res.App, "user/alice"),
			"unknown app":     site.RefARN("nowhere", "user/alice"),
			"unknown user":    app + "/user/nobody",
			"unknown bot":     app + "/bot/alice",
			"deleted":         gone,
		} {
			w.t.Run(name, func(t *testing.T) {
				_, err := w.bearer(arn)
				refused(t, err, "UnauthorizedClientException", "invalid app instance user ARN")
			})
		}
		ok(w.t, w.deleteApp(app))
		_, err = w.bearer(bob)
		refused(w.t, err, "UnauthorizedClientException", "invalid app instance user ARN")
	})
}

func TestNamesOutliveTheirUsers(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		res, err := site.Parse("AppInstanceArn", app)
		ok(w.t, err)
		name := func(ref chime.Ref) string {
			named, err := view(w, func(r store.Reader) (identity.Named, error) { return identity.Name(r, res.App, ref, identity.Now) })
			ok(w.t, err)
			return named.Name
		}
		exists := func(ref chime.Ref) bool {
			found, err := view(w, func(r store.Reader) (bool, error) { return identity.Exists(r, res.App, ref) })
			ok(w.t, err)
			return found
		}
		alice := w.user(app, "alice")
		first := w.position(app)
		if got := name("user/alice"); got != "Name of alice" || !exists("user/alice") {
			w.t.Errorf("alice is called %q", got)
		}
		if got := name("user/nobody"); got != "" || exists("user/nobody") || exists("bot/alice") {
			w.t.Errorf("nobody is called %q", got)
		}
		ok(w.t, w.deleteUser(alice))
		if got := name("user/alice"); got != "Name of alice" || exists("user/alice") {
			w.t.Errorf("alice, deleted, is called %q", got)
		}
		_, err = w.CreateAppInstanceUser(context.Background(), &wire.CreateAppInstanceUserRequest{AppInstanceARN: app, AppInstanceUserID: "alice", Name: "Second"})
		ok(w.t, err)
		if got := name("user/alice"); got != "Second" {
			w.t.Errorf("the next alice is called %q", got)
		}
		second := w.position(app)
		ok(w.t, w.deleteUser(alice))
		for at, want := range map[uint64]string{first: "Name of alice", second: "Second", identity.Now: "Second"} {
			named, err := view(w, func(r store.Reader) (identity.Named, error) { return identity.Name(r, res.App, "user/alice", at) })
			ok(w.t, err)
			if named.Name != want || named.First > at || named.Last < at {
				w.t.Errorf("at %d alice was called %+v, want %s", at, named, want)
			}
		}
	})
}
