package grants_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

var site = chime.Site{Region: "us-east-1", Account: "000000000000"}

func allow(action string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":%q,"Resource":"*"}}`, action)
}

const (
	boundary = "arn:aws:iam::000000000000:policy/limits/Bound"
	attached = "arn:aws:iam::000000000000:policy/Extra"
	builtIn  = "arn:aws:iam::aws:policy/AmazonChimeFullAccess"
)

// filled is a store with the user Ann and the role App, each with policies of every kind.
func filled(t *testing.T) store.Store {
	st := memstore.New()
	t.Cleanup(func() { st.Close() })
	put := func(tx store.Tx, kind, name string) error {
		if err := store.InlinePolicies.Put(tx, store.K(kind, name, "Own"), chime.InlinePolicy{Name: "Own", Document: allow("chime:Connect")}); err != nil {
			return err
		}
		for _, arn := range []string{attached, builtIn} {
			if err := store.Attachments.Put(tx, store.K(kind, name, arn), arn); err != nil {
				return err
			}
		}
		return nil
	}
	err := st.Update(t.Context(), "", func(tx store.Tx) error {
		for _, p := range []chime.ManagedPolicy{
			{Name: "Bound", Path: "/limits/", Default: 1, Versions: []chime.PolicyVersion{{Number: 1, Document: allow("chime:*")}}},
			{Name: "Extra", Path: "/", Default: 2, Versions: []chime.PolicyVersion{{Number: 1, Document: allow("iam:*")}, {Number: 2, Document: allow("sts:*")}}},
		} {
			if err := store.Policies.Put(tx, store.K(map[string]string{"Bound": "bound", "Extra": "extra"}[p.Name]), p); err != nil {
				return err
			}
		}
		if err := store.AccountUsers.Put(tx, store.K("ann"), chime.AccountUser{Name: "Ann", Path: "/team/", Boundary: boundary}); err != nil {
			return err
		}
		if err := store.Roles.Put(tx, store.K("app"), chime.Role{Name: "App", Path: "/"}); err != nil {
			return err
		}
		if err := put(tx, chime.EntityUser, "ann"); err != nil {
			return err
		}
		return put(tx, chime.EntityRole, "app")
	})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func names(list []policy.Policy) (out []string) {
	for _, p := range list {
		out = append(out, p.Name)
	}
	return out
}

func view(t *testing.T, st store.Store, f func(store.Reader) error) {
	t.Helper()
	if err := st.View(t.Context(), "", f); err != nil {
		t.Fatal(err)
	}
}

func TestEverythingThatLimits(t *testing.T) {
	view(t, filled(t), func(r store.Reader) error {
		user, found, err := grants.LoadUser(r, site, "aNN")
		if err != nil || !found {
			t.Fatal(found, err)
		}
		role, found, err := grants.LoadRole(r, site, "app")
		if err != nil || !found {
			t.Fatal(found, err)
		}
		if user.ARN != "arn:aws:iam::000000000000:user/team/Ann" || role.ARN != "arn:aws:iam::000000000000:role/App" {
			t.Error(user.ARN, role.ARN)
		}
		want := []string{"inline policy Own", attached, builtIn}
		if diff := cmp.Diff(want, names(user.Set.Identity)) + cmp.Diff(want, names(role.Set.Identity)); diff != "" {
			t.Error(diff)
		}
		if role.Set.HasBoundary || !user.Set.HasBoundary || len(user.Set.Boundary) != 1 || user.Set.Boundary[0].Name != boundary {
			t.Errorf("boundaries: %+v, %+v", user.Set, role.Set)
		}
		for action, want := range map[string]bool{"chime:CreateChannel": true, "sts:AssumeRole": false, "iam:GetUser": false} {
			if d := user.Set.Decide(policy.Question{Action: action, Resource: "*"}); d.Allowed != want {
				t.Errorf("the user's %s: %v %s", action, d.Allowed, d.Reason())
			}
		}
		for action, want := range map[string]bool{"chime:CreateChannel": true, "sts:AssumeRole": true, "iam:GetUser": false} {
			if d := role.Set.Decide(policy.Question{Action: action, Resource: "*"}); d.Allowed != want {
				t.Errorf("the role's %s: %v %s", action, d.Allowed, d.Reason())
			}
		}
		return nil
	})
}

func TestMissing(t *testing.T) {
	st := filled(t)
	view(t, st, func(r store.Reader) error {
		_, user, err := grants.LoadUser(r, site, "bob")
		if user || err != nil {
			t.Error("user", user, err)
		}
		_, role, err := grants.LoadRole(r, site, "ann")
		if role || err != nil {
			t.Error("role", role, err)
		}
		for _, arn := range []string{"", "x", attached + "x", "arn:aws:iam::000000000000:policy/Bound", "arn:aws:iam::111111111111:policy/Extra",
			"arn:aws:iam::000000000000:policy/extra", "arn:aws:iam::aws:policy/Extra"} {
			if _, found, err := grants.LoadManaged(r, site, arn); found || err != nil {
				t.Errorf("policy %q: %v, %v", arn, found, err)
			}
		}
		return nil
	})
}

// A boundary that is gone allows nothing; a document that cannot be read is an error.
func TestWhatCannotBeReadAllowsNothing(t *testing.T) {
	st := filled(t)
	err := st.Update(t.Context(), "", func(tx store.Tx) error {
		if err := store.Policies.Delete(tx, store.K("bound")); err != nil {
			return err
		}
		return store.InlinePolicies.Put(tx, store.K(chime.EntityRole, "app", "Own"), chime.InlinePolicy{Name: "Own", Document: `{"Version":"?"}`})
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, st, func(r store.Reader) error {
		user, _, err := grants.LoadUser(r, site, "ann")
		if err != nil {
			t.Fatal(err)
		}
		if d := user.Set.Decide(policy.Question{Action: "chime:Connect", Resource: "*"}); d.Allowed {
			t.Error("without its boundary the user may do everything")
		}
		if _, _, err := grants.LoadRole(r, site, "app"); err == nil {
			t.Error("an unreadable policy was left out")
		}
		return nil
	})
}
