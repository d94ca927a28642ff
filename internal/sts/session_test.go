package sts_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

func (f *fixture) sessionToken(by keys, seconds *int) (*wire.Credentials, error) {
	f.t.Helper()
	resp, err := f.call(by, "GetSessionToken", &wire.GetSessionTokenRequest{DurationSeconds: seconds})
	if err != nil {
		return nil, err
	}
	return resp.(*wire.GetSessionTokenResponse).Credentials, nil
}

func TestCallerIdentity(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, ""))
	ann := f.user("ann", document("Deny", "*", "*"))
	_, role := f.assume(root)
	user, err := f.sessionToken(ann, nil)
	f.must(user, err)
	f.must(nil, f.Store.Update(t.Context(), "A", func(tx store.Tx) error { return store.Users.Put(tx, store.K("A", "carol"), chime.User{ID: "carol"}) }))
	chat, err := f.Access.IssueUserCredentials(t.Context(), "A", chime.UserRef("carol"), time.Hour)
	f.must(chat, err)
	for name, tc := range map[string]struct {
		by      keys
		arn, id string // id: how it begins
	}{
		"root":                   {root, "arn:aws:iam::000000000000:root", "000000000000"},
		"user who is denied all": {ann, "arn:aws:iam::000000000000:user/ann", "AIDA"},
		"session of a role":      {role, "arn:aws:sts::000000000000:assumed-role/app/s1", "AROA"},
		"session of a user":      {keysOf(user), "arn:aws:iam::000000000000:user/ann", "AIDA"},
		"session of the console": {keys{chat.AccessKeyID, chat.SessionToken}, "arn:aws:sts::000000000000:assumed-role/app-instance-user/carol", "carol"},
	} {
		resp, err := f.call(tc.by, "GetCallerIdentity", &wire.GetCallerIdentityRequest{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := resp.(*wire.GetCallerIdentityResponse); got.ARN != tc.arn || got.Account != accountID || !strings.HasPrefix(got.UserID, tc.id) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestSessionToken(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, ""))
	ann := f.user("ann", document("Allow", "*", "*"))
	for name, tc := range map[string]struct {
		by      keys
		seconds *int
		life    time.Duration
	}{
		"user":                   {ann, nil, 12 * time.Hour},
		"user, short":            {ann, p(900), 15 * time.Minute},
		"user, long":             {ann, p(129600), 36 * time.Hour},
		"root":                   {root, nil, time.Hour},
		"root, short":            {root, p(900), 15 * time.Minute},
		"root, more than it has": {root, p(129600), time.Hour},
	} {
		got, err := f.sessionToken(tc.by, tc.seconds)
		if err != nil || !got.Expiration.Equal(f.now.Add(tc.life)) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	made, err := f.sessionToken(ann, nil)
	f.must(made, err)
	session := keysOf(made)
	if !f.maySend(session, "x", "c") {
		t.Error("the session may not do what its user may")
	}
	f.assume(session)
	_, role := f.assume(root)
	for name, call := range map[string]func() (api.Response, error){
		"IAM by the session": func() (api.Response, error) { return f.call(session, "ListUsers", &iam.ListUsersRequest{}) },
		"a further session": func() (api.Response, error) {
			return f.call(session, "GetSessionToken", &wire.GetSessionTokenRequest{})
		},
		"a session of a role's session": func() (api.Response, error) { return f.call(role, "GetSessionToken", &wire.GetSessionTokenRequest{}) },
	} {
		_, err := call()
		f.refused(name, err, "AccessDenied")
	}
}

func TestSessionDiesWithItsUser(t *testing.T) {
	f := newFixture(t)
	ann := f.user("ann")
	made, err := f.sessionToken(ann, nil)
	f.must(made, err)
	f.must(f.Account.DeleteAccessKey(context.Background(), &iam.DeleteAccessKeyRequest{UserName: p("ann"), AccessKeyID: ann.id}))
	f.must(f.Account.DeleteUser(context.Background(), &iam.DeleteUserRequest{UserName: "ann"}))
	f.user("ann")
	if _, err := f.call(keysOf(made), "GetCallerIdentity", &wire.GetCallerIdentityRequest{}); err == nil {
		t.Error("a user of the same name took the session over")
	}
}
