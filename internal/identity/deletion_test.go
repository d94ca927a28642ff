package identity_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

func TestDeletedUserLeavesNothingButItsName(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		app := w.app("app")
		req := userRequest(app, "alice")
		req.Tags = []wire.Tag{{Key: "k", Value: "v"}}
		created, err := w.CreateAppInstanceUser(ctx, req)
		ok(w.t, err)
		alice := created.AppInstanceUserARN
		w.admin(app, alice)

		position := w.position(app)
		ok(w.t, w.deleteUser(alice))
		if got := w.events(app, position); !slices.Equal(got, []string{
			"DELETE_APP_INSTANCE_ADMIN user/alice", "DELETE_APP_INSTANCE_USER user/alice",
		}) {
			w.t.Errorf("events %q", got)
		}
		_, err = w.describeUser(alice)
		refused(w.t, err, "NotFoundException", "AppInstanceUserArn")
		refused(w.t, w.deleteUser(alice), "ForbiddenException", "AppInstanceUserArn")
		w.wantList(w.adminsOf(app))
		w.wantList(w.usersOf(app))

		res, err := site.Parse("AppInstanceArn", app)
		ok(w.t, err)
		want := removal{app: res.App, ref: "user/alice", before: position + 2}
		if len(w.cascade.removals) != 1 || w.cascade.removals[0] != want {
			w.t.Errorf("asked for %+v, want %+v", w.cascade.removals, want)
		}

		w.user(app, "alice")
		if w.isAdmin(alice) {
			w.t.Error("the next alice inherited the role of admin")
		}
		tags, err := w.tagsOf(alice)
		ok(w.t, err)
		if len(tags) != 0 {
			w.t.Errorf("the next alice inherited the tags %v", tags)
		}
		ok(w.t, w.resume())
		if len(w.cascade.removals) != 1 {
			w.t.Error("a finished deletion was taken up again")
		}
	})
}

var errCrash = errors.New("crash")

// halfDeleted is a user whose record is gone and whose memberships are not.
func (w *world) halfDeleted(app, id string) string {
	w.t.Helper()
	arn := w.user(app, id)
	w.cascade.err = errCrash
	if err := w.deleteUser(arn); !errors.Is(err, errCrash) {
		w.t.Fatalf("the deletion ended with %v", err)
	}
	w.cascade.err = nil
	w.cascade.removals = nil
	return arn
}

func TestTheDeletionOfAUserIsFinishedLater(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		alice := w.halfDeleted(app, "alice")
		_, err := w.describeUser(alice)
		refused(w.t, err, "NotFoundException", "AppInstanceUserArn")

		w.restart()
		w.cascade.err = errCrash
		if err := w.resume(); !errors.Is(err, errCrash) {
			w.t.Errorf("a failed attempt answers %v", err)
		}
		w.cascade.err = nil
		ok(w.t, w.resume())
		ok(w.t, w.resume())
		if got := w.cascade.removals; len(got) != 2 || got[1].ref != "user/alice" || got[0] != got[1] {
			w.t.Errorf("removals %+v", got)
		}
	})
}

func TestOneFailureDoesNotKeepOtherDeletionsFromFinishing(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		w.halfDeleted(app, "alice")
		w.halfDeleted(app, "bob")
		w.cascade.err = errCrash
		if err := w.resume(); !errors.Is(err, errCrash) {
			w.t.Errorf("got %v", err)
		}
		if len(w.cascade.removals) != 2 {
			w.t.Errorf("removals %+v", w.cascade.removals)
		}
	})
}

func TestRepeatedDeleteGoesOnWithTheFirst(t *testing.T) {
	onEachEngine(t, func(w *world) {
		alice := w.halfDeleted(w.app("app"), "alice")
		ok(w.t, w.deleteUser(alice))
		if len(w.cascade.removals) != 1 {
			w.t.Errorf("removals %+v", w.cascade.removals)
		}
		refused(w.t, w.deleteUser(alice), "ForbiddenException", "AppInstanceUserArn")
	})
}

func TestAnIdIsTakenAgainOnlyWhenTheRestOfItsLastUserIsGone(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		alice := w.halfDeleted(app, "alice")
		w.cascade.during = func() {
			if _, err := w.describeUser(alice); err == nil {
				w.t.Error("the next alice was there before the memberships of the last were gone")
			}
		}
		w.user(app, "alice")
		if len(w.cascade.removals) != 1 {
			w.t.Errorf("removals %+v", w.cascade.removals)
		}
		ok(w.t, w.resume())
		if len(w.cascade.removals) != 1 {
			w.t.Error("the removal ran again, on the next alice")
		}
	})
}

func TestALateRemovalDoesNotForgetALaterDeletion(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		alice := w.halfDeleted(app, "alice")
		w.cascade.during = func() { // meanwhile others finish it, and the id comes and goes again
			ok(w.t, w.deleteUser(alice))
			w.halfDeleted(app, "alice")
		}
		ok(w.t, w.deleteUser(alice))
		w.cascade.removals = nil
		ok(w.t, w.resume())
		if len(w.cascade.removals) != 1 {
			w.t.Errorf("removals %+v", w.cascade.removals)
		}
	})
}

func TestTheClientMayLeaveDuringADeletion(t *testing.T) {
	onEachEngine(t, func(w *world) {
		alice := w.user(w.app("app"), "alice")
		ctx, leave := context.WithCancel(context.Background())
		w.cascade.during = leave
		_, err := w.DeleteAppInstanceUser(ctx, &wire.DeleteAppInstanceUserRequest{AppInstanceUserARN: alice})
		ok(w.t, err)
		ok(w.t, w.resume())
		if len(w.cascade.removals) != 1 {
			w.t.Errorf("removals %+v", w.cascade.removals)
		}
	})
}

// fill puts a record of the app instance into every table.
func (w *world) fill(app string) {
	w.t.Helper()
	err := w.store.Update(context.Background(), app, func(tx store.Tx) error {
		for table := store.AppInstances.ID; table < lastTable; table++ {
			switch table {
			case store.AppInstances.ID, store.AppInstancesInOrder.ID, store.Replies.ID, store.Tasks.ID, store.TableTraces, store.TableLogs:
				continue
			}
			err := tx.Put(table, store.K(app, "uid").Num(1), []byte{1, 0xF6})
			if err != nil && !errors.Is(err, store.ErrScope) { // the account has the table
				return err
			}
		}
		return nil
	})
	ok(w.t, err)
}

// lastTable is above the ids in use.
const lastTable store.TableID = 64

// left are the tables that hold anything under the app instance.
func (w *world) left(app string) (tables []store.TableID) {
	w.t.Helper()
	err := w.store.View(context.Background(), "", func(r store.Reader) error {
		for table := store.AppInstances.ID; table < lastTable; table++ {
			err := r.Scan(table, store.Prefix(store.K(app)), func(store.Key, []byte) (bool, error) {
				tables = append(tables, table)
				return false, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	ok(w.t, err)
	return tables
}

func TestDeletedAppInstanceLeavesNothing(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app, other := w.app("app"), w.app("other")
		alice := w.user(app, "alice")
		w.admin(app, alice)
		w.halfDeleted(app, "bob")
		w.user(other, "alice")
		w.halfDeleted(other, "bob")
		id := func(arn string) string {
			res, err := site.Parse("AppInstanceArn", arn)
			ok(w.t, err)
			return res.App
		}
		w.fill(id(other))
		untouched := w.left(id(other))
		w.fill(id(app))

		position := w.position(app)
		ok(w.t, w.deleteApp(app))
		if got := w.events(app, position); !slices.Equal(got, []string{"DELETE_APP_INSTANCE"}) {
			w.t.Errorf("events %q", got)
		}
		for _, table := range w.left(id(app)) {
			if table <= store.DeadLetters.ID && table != store.TableTraces {
				w.t.Errorf("table %d still holds something of it", table)
			}
		}
		if got := w.left(id(other)); !slices.Equal(got, untouched) {
			w.t.Errorf("of another app instance, tables %v are left of %v", got, untouched)
		}
		refused(w.t, w.deleteApp(app), "ForbiddenException", "AppInstanceArn")
		_, err := w.CreateAppInstanceUser(context.Background(), userRequest(app, "alice"))
		refused(w.t, err, "ForbiddenException", "AppInstanceArn")
	})
}

func TestAppInstanceIsGoneFromTheFirstCommit(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		res, err := site.Parse("AppInstanceArn", app)
		ok(w.t, err)
		alice := w.user(app, "alice")
		w.halfDeleted(app, "bob")
		w.fill(res.App)

		for commits := 1; commits < 100; commits++ {
			w.store.failing, w.store.left = true, commits
			failed := w.deleteApp(app)
			w.store.failing = false
			if failed == nil {
				break
			}
			if !errors.Is(failed, errDisk) {
				w.t.Fatalf("after %d commits: %v", commits, failed)
			}
			_, err := w.describeUser(alice)
			refused(w.t, err, "ForbiddenException", "AppInstanceUserArn")
			_, err = w.describeApp(app)
			refused(w.t, err, "ForbiddenException", "AppInstanceArn")
			_, err = w.bearer(alice)
			refused(w.t, err, "UnauthorizedClientException", "ChimeBearer")
			refused(w.t, w.tag(alice, tag("a", "1")), "ForbiddenException", "ResourceARN")
			w.wantList(w.apps())
			if commits == 5 { // enough of retries: the next start does the rest
				break
			}
		}
		w.restart()
		ok(w.t, w.resume())
		for _, table := range w.left(res.App) {
			if table <= store.DeadLetters.ID && table != store.TableTraces {
				w.t.Errorf("table %d still holds something of it", table)
			}
		}
		if len(w.cascade.removals) != 0 {
			w.t.Errorf("users were removed one by one: %+v", w.cascade.removals)
		}
		refused(w.t, w.deleteApp(app), "ForbiddenException", "AppInstanceArn")
	})
}

func TestTasksOfOthersAreLeftAlone(t *testing.T) {
	onEachEngine(t, func(w *world) {
		task := chime.Task{Kind: "delete channel", App: "app", Order: 1}
		key := store.K("app", "uid")
		ok(w.t, w.store.Update(context.Background(), "app", func(tx store.Tx) error { return store.Tasks.Put(tx, key, task) }))
		ok(w.t, w.resume())
		found, err := view(w, func(r store.Reader) (bool, error) { return store.Tasks.Has(r, key) })
		ok(w.t, err)
		if !found {
			w.t.Error("another service's task is gone")
		}
	})
}
