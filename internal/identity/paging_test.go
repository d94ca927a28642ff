package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// fetch reads one page of a list: the names of its items and the next token.
type fetch func(limit *int, token *string) (names []string, next string, err error)

func (w *world) usersOf(app string) fetch {
	return func(limit *int, token *string) (names []string, next string, err error) {
		resp, err := w.ListAppInstanceUsers(context.Background(), &wire.ListAppInstanceUsersRequest{AppInstanceARN: app, MaxResults: limit, NextToken: token})
		if err != nil {
			return nil, "", err
		}
		for _, user := range resp.AppInstanceUsers {
			names = append(names, user.Name)
		}
		return names, resp.NextToken, nil
	}
}

func (w *world) adminsOf(app string) fetch {
	return func(limit *int, token *string) (names []string, next string, err error) {
		resp, err := w.ListAppInstanceAdmins(context.Background(), &wire.ListAppInstanceAdminsRequest{AppInstanceARN: app, MaxResults: limit, NextToken: token})
		if err != nil {
			return nil, "", err
		}
		for _, admin := range resp.AppInstanceAdmins {
			names = append(names, admin.Admin.Name)
		}
		return names, resp.NextToken, nil
	}
}

func (w *world) apps() fetch {
	return func(limit *int, token *string) (names []string, next string, err error) {
		resp, err := w.ListAppInstances(context.Background(), &wire.ListAppInstancesRequest{MaxResults: limit, NextToken: token})
		if err != nil {
			return nil, "", err
		}
		for _, app := range resp.AppInstances {
			names = append(names, app.Name)
		}
		return names, resp.NextToken, nil
	}
}

// all reads a list to its end in pages of the size, doing something between any two.
func (w *world) all(list fetch, size int, between func(page int)) (names []string) {
	w.t.Helper()
	var token *string
	for page := 1; page < 200; page++ {
		some, next, err := list(&size, token)
		ok(w.t, err)
		if len(some) > size || len(some) == 0 && page > 1 {
			w.t.Fatalf("page %d has %d items", page, len(some))
		}
		names = append(names, some...)
		if next == "" {
			return names
		}
		token = &next
		if between != nil {
			between(page)
		}
	}
	w.t.Fatal("the list has no end")
	return nil
}

func (w *world) wantList(list fetch, want ...string) {
	w.t.Helper()
	for size := 1; size <= len(want)+1; size++ {
		if got := w.all(list, size, nil); !slices.Equal(got, want) {
			w.t.Errorf("in pages of %d: %q, want %q", size, got, want)
		}
	}
}

func TestListsAreInOrderOfCreation(t *testing.T) {
	onEachEngine(t, func(w *world) {
		w.wantList(w.apps())
		zoo, app := w.app("zoo"), w.app("app")
		w.wantList(w.apps(), "zoo", "app")
		w.wantList(w.usersOf(app))
		w.wantList(w.adminsOf(app))

		w.user(zoo, "elsewhere")
		for _, id := range []string{"c", "a", "b"} {
			w.user(app, id)
		}
		w.wantList(w.usersOf(app), "Name of c", "Name of a", "Name of b")
		for _, id := range []string{"b", "c", "a"} {
			w.admin(app, app+"/user/"+id)
		}
		w.wantList(w.adminsOf(app), "Name of b", "Name of c", "Name of a")

		ok(w.t, w.deleteAdmin(app, app+"/user/c"))
		w.wantList(w.adminsOf(app), "Name of b", "Name of a")
		ok(w.t, w.deleteUser(app+"/user/c"))
		w.user(app, "c")
		w.wantList(w.usersOf(app), "Name of a", "Name of b", "Name of c")
		ok(w.t, w.deleteApp(zoo))
		w.wantList(w.apps(), "app")
	})
}

func TestListItemsCarryWhatTheModelSays(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		created, err := w.CreateAppInstance(ctx, &wire.CreateAppInstanceRequest{Name: "app", Metadata: ptr("of app")})
		ok(w.t, err)
		app := created.AppInstanceARN
		req := userRequest(app, "alice")
		req.Metadata = ptr("of alice")
		_, err = w.CreateAppInstanceUser(ctx, req)
		ok(w.t, err)

		apps, err := w.ListAppInstances(ctx, &wire.ListAppInstancesRequest{})
		ok(w.t, err)
		if want := []wire.AppInstanceSummary{{AppInstanceARN: app, Name: "app", Metadata: "of app"}}; !slices.Equal(apps.AppInstances, want) {
			w.t.Errorf("app instances %+v", apps.AppInstances)
		}
		users, err := w.ListAppInstanceUsers(ctx, &wire.ListAppInstanceUsersRequest{AppInstanceARN: app})
		ok(w.t, err)
		if want := []wire.AppInstanceUserSummary{{AppInstanceUserARN: app + "/user/alice", Name: "Name of alice", Metadata: "of alice"}}; users.AppInstanceARN != app || !slices.Equal(users.AppInstanceUsers, want) {
			w.t.Errorf("users %+v", users)
		}
		w.admin(app, app+"/user/alice")
		admins, err := w.ListAppInstanceAdmins(ctx, &wire.ListAppInstanceAdminsRequest{AppInstanceARN: app})
		ok(w.t, err)
		if admins.AppInstanceARN != app || len(admins.AppInstanceAdmins) != 1 ||
			*admins.AppInstanceAdmins[0].Admin != (wire.Identity{ARN: app + "/user/alice", Name: "Name of alice"}) {
			w.t.Errorf("admins %+v", admins)
		}
	})
}

func TestPagesHaveFiftyItemsUnlessAsked(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		for i := range 51 {
			w.user(app, fmt.Sprint("user", i))
		}
		first, next, err := w.usersOf(app)(nil, nil)
		ok(w.t, err)
		rest, end, err := w.usersOf(app)(nil, &next)
		ok(w.t, err)
		if len(first) != 50 || len(rest) != 1 || end != "" {
			w.t.Errorf("pages of %d and %d, then %q", len(first), len(rest), end)
		}
	})
}

func TestPagingStaysExactWhileTheListChanges(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		for i := range 6 {
			w.user(app, fmt.Sprint(i))
		}
		got := w.all(w.usersOf(app), 1, func(page int) {
			switch page {
			case 2: // the last one read, one read before, and one to come
				for _, id := range []string{"1", "0", "3"} {
					ok(w.t, w.deleteUser(app+"/user/"+id))
				}
			case 3:
				w.user(app, "0") // comes again, at the end
				w.user(app, "6")
			}
		})
		want := []string{"Name of 0", "Name of 1", "Name of 2", "Name of 4", "Name of 5", "Name of 0", "Name of 6"}
		if !slices.Equal(got, want) {
			w.t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestTokensOfOtherListsAreRefused(t *testing.T) {
	onEachEngine(t, func(w *world) {
		one, two := w.app("one"), w.app("two")
		for _, id := range []string{"a", "b"} {
			w.admin(one, w.user(one, id))
			w.admin(two, w.user(two, id))
		}
		lists := map[string]fetch{
			"app instances": w.apps(),
			"users of one":  w.usersOf(one), "users of two": w.usersOf(two),
			"admins of one": w.adminsOf(one), "admins of two": w.adminsOf(two),
		}
		for from, list := range lists {
			_, token, err := list(ptr(1), nil)
			ok(w.t, err)
			for to, other := range lists {
				if _, _, err := other(ptr(1), &token); to != from {
					foreign(w.t, err)
				} else {
					ok(w.t, err)
				}
			}
			for _, bad := range []string{"x", "A" + token, token + "!"} {
				_, _, err := list(ptr(1), &bad)
				foreign(w.t, err)
			}
		}
	})
}

// foreign wants the error for a token of another list, which transports turn into a BadRequestException
// about NextToken.
func foreign(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrPageToken) {
		t.Errorf("got %v", err)
	}
}
