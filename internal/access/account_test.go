package access_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/keyring"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
)

// The account of the tests is written into the store as the account service does it.

func (f *fixture) update(t testing.TB, change func(tx store.Tx) error) {
	t.Helper()
	f.updateIn(t, "", change)
}

// updateApp changes the app instance A.
func (f *fixture) updateApp(t testing.TB, change func(tx store.Tx) error) {
	t.Helper()
	f.updateIn(t, "A", change)
}

func (f *fixture) updateIn(t testing.TB, app string, change func(tx store.Tx) error) {
	t.Helper()
	if err := f.store.Update(t.Context(), app, change); err != nil {
		t.Fatal(err)
	}
	f.Forget()
}

// role makes or replaces a role with an inline policy, and a new id each time.
func (f *fixture) role(t testing.TB, name, document string, change ...func(*chime.Role)) {
	t.Helper()
	f.ids++
	role := chime.Role{Name: name, ID: "AROA" + string(rune('A'+f.ids)), Path: "/", MaxSession: 3600, Created: chime.At(f.now)}
	for _, apply := range change {
		apply(&role)
	}
	f.update(t, func(tx store.Tx) error { return store.Roles.Put(tx, store.K(name), role) })
	f.inline(t, chime.EntityRole, name, "p", document)
}

func (f *fixture) inline(t testing.TB, kind, entity, name, document string) {
	t.Helper()
	f.update(t, func(tx store.Tx) error {
		return store.InlinePolicies.Put(tx, store.K(kind, entity, name), chime.InlinePolicy{Name: name, Document: document})
	})
}

// user makes a user with an inline policy and one active access key.
func (f *fixture) user(t testing.TB, name, document string) access.Credentials {
	t.Helper()
	f.ids++
	u := chime.AccountUser{Name: name, ID: "AIDA" + string(rune('A'+f.ids)), Path: "/team/", Created: chime.At(f.now),
		Tags: tags("Team", "blue")}
	f.update(t, func(tx store.Tx) error { return store.AccountUsers.Put(tx, store.K(name), u) })
	f.inline(t, chime.EntityUser, name, "p", document)
	c := access.Credentials{AccessKeyID: "AKIA" + name, SecretAccessKey: "secret-of-" + name}
	f.key(t, c, name, true)
	return c
}

func (f *fixture) key(t testing.TB, c access.Credentials, user string, active bool) {
	t.Helper()
	keys, err := keyring.Open(t.Context(), keyring.Options{Store: f.store, RootSecret: servicetest.RootSecretAccessKey})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keys.Seal([]byte(c.SecretAccessKey), []byte(c.AccessKeyID))
	if err != nil {
		t.Fatal(err)
	}
	f.update(t, func(tx store.Tx) error {
		return store.AccessKeys.Put(tx, store.K(c.AccessKeyID), chime.AccessKey{ID: c.AccessKeyID, User: user, Secret: sealed, Active: active})
	})
}

// session issues credentials for a session of a stored role; name, role and duration have
// defaults.
func (f *fixture) session(t testing.TB, role string, r access.SessionRequest) access.Credentials {
	t.Helper()
	err := f.store.View(t.Context(), "", func(rd store.Reader) error {
		stored, found, err := store.Roles.Get(rd, store.K(role))
		if !found {
			t.Fatalf("no role %s", role)
		}
		r.Role = &stored
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.SessionName == "" {
		r.SessionName = "s"
	}
	if r.Duration == 0 {
		r.Duration = time.Hour
	}
	c, err := f.Issue(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// assume is the principal of a session.
func (f *fixture) assume(t testing.TB, role string, r access.SessionRequest) *access.Principal {
	t.Helper()
	return f.mustVerify(t, f.session(t, role, r))
}

func (f *fixture) mustVerify(t testing.TB, c access.Credentials) *access.Principal {
	t.Helper()
	p, err := f.verify(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (f *fixture) root(t testing.TB) *access.Principal {
	t.Helper()
	return f.mustVerify(t, access.Credentials{
		AccessKeyID: servicetest.RootAccessKeyID, SecretAccessKey: servicetest.RootSecretAccessKey,
	})
}

func operation(service, name string) *api.Operation {
	return &api.Operation{SigningName: service, Name: name}
}

func tags(pairs ...string) (list []chime.Tag) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, chime.Tag{Key: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// allow is a policy of one statement; actions, resources and what follows are JSON.
func allow(actions, resources string, more ...string) string {
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + actions + `],"Resource":[` + resources + `]`
	for _, m := range more {
		text += "," + m
	}
	return text + "}]}"
}

// expect checks the kind of an error and words of its message.
func expect(t testing.TB, err error, kind string, words ...string) {
	t.Helper()
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Type != kind {
		t.Errorf("got %v, want a %s", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(answer.Message, w) {
			t.Errorf("%q does not say %q", answer.Message, w)
		}
	}
}

// documents are session policies.
func documents(list ...string) (policies []access.SessionPolicy) {
	for _, text := range list {
		policies = append(policies, access.SessionPolicy{Document: text})
	}
	return policies
}
