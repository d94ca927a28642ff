package iam_test

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam"
	"github.com/carillon-chat/carillon/internal/store"
)

func TestUser(t *testing.T) {
	w := newWorld(t)
	made := get[*iamapi.CreateUserResponse](w, &iamapi.CreateUserRequest{
		UserName: "Ann", Path: p("/team/chat/"), PermissionsBoundary: p(chimeAccess), Tags: []iamapi.Tag{{Key: "k", Value: p("v")}},
	}).User
	if !regexp.MustCompile(`^AIDA[A-Z2-7]{17}$`).MatchString(made.UserID) {
		t.Errorf("the id is %s", made.UserID)
	}
	want := &iamapi.User{
		UserName: "Ann", Path: "/team/chat/", UserID: made.UserID, ARN: account0 + "user/team/chat/Ann", CreateDate: w.now,
		PermissionsBoundary: &iamapi.AttachedPermissionsBoundary{PermissionsBoundaryType: "PermissionsBoundaryPolicy", PermissionsBoundaryARN: chimeAccess},
		Tags:                []iamapi.Tag{{Key: "k", Value: p("v")}},
	}
	found := get[*iamapi.GetUserResponse](w, &iamapi.GetUserRequest{UserName: p("aNN")}).User
	if diff := cmp.Diff(want, made) + cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
	w.refused(&iamapi.CreateUserRequest{UserName: "ANN"}, "EntityAlreadyExists")
	w.refused(&iamapi.CreateUserRequest{UserName: "bob", PermissionsBoundary: p(account0 + "policy/none")}, "NoSuchEntity")
	w.refused(&iamapi.CreateUserRequest{UserName: "bob", Tags: []iamapi.Tag{{Key: "AWS:x", Value: p("")}}}, "InvalidInput")
	w.refused(&iamapi.CreateUserRequest{UserName: "bob", Tags: []iamapi.Tag{{Key: "a", Value: p("")}, {Key: "A", Value: p("")}}}, "InvalidInput")
	w.ok(&iamapi.DeleteUserRequest{UserName: "ann"})
	w.refused(&iamapi.GetUserRequest{UserName: p("Ann")}, "NoSuchEntity")
	w.refused(&iamapi.DeleteUserRequest{UserName: "Ann"}, "NoSuchEntity")
	if again := w.user("ann"); again.UserID == made.UserID {
		t.Error("an id came again")
	}
}

// A request without a name is about its caller.
func TestCallersOwn(t *testing.T) {
	w := newWorld(t)
	w.user("ann")
	w.caller = iam.Caller{User: "ann"}
	if u := get[*iamapi.GetUserResponse](w, &iamapi.GetUserRequest{}).User; u.UserName != "ann" {
		t.Errorf("the caller is %s", u.UserName)
	}
	key := get[*iamapi.CreateAccessKeyResponse](w, &iamapi.CreateAccessKeyRequest{}).AccessKey
	w.ok(&iamapi.UpdateAccessKeyRequest{AccessKeyID: key.AccessKeyID, Status: iamapi.StatusTypeInactive})
	list := get[*iamapi.ListAccessKeysResponse](w, &iamapi.ListAccessKeysRequest{}).AccessKeyMetadata
	if len(list) != 1 || list[0].UserName != "ann" || list[0].Status != iamapi.StatusTypeInactive {
		t.Errorf("the caller's keys are %+v", list)
	}
	w.ok(&iamapi.DeleteAccessKeyRequest{AccessKeyID: key.AccessKeyID})

	w.caller = iam.Caller{Root: true}
	if u := get[*iamapi.GetUserResponse](w, &iamapi.GetUserRequest{}).User; u.ARN != account0+"root" || u.UserID != "000000000000" {
		t.Errorf("the root is %+v", u)
	}
	for _, caller := range []iam.Caller{{Root: true}, {}} {
		w.caller = caller
		w.refused(&iamapi.CreateAccessKeyRequest{}, "ValidationError")
		w.refused(&iamapi.ListAccessKeysRequest{}, "ValidationError")
		w.refused(&iamapi.UpdateAccessKeyRequest{AccessKeyID: key.AccessKeyID, Status: iamapi.StatusTypeActive}, "ValidationError")
		w.refused(&iamapi.DeleteAccessKeyRequest{AccessKeyID: key.AccessKeyID}, "ValidationError")
	}
	w.refused(&iamapi.GetUserRequest{}, "ValidationError")
}

func TestAccessKeys(t *testing.T) {
	w := newWorld(t)
	w.user("Ann")
	w.user("bob")
	first := w.key("ann")
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(first.AccessKeyID) || !regexp.MustCompile(`^[A-Za-z0-9+/]{40}$`).MatchString(first.SecretAccessKey) {
		t.Errorf("the key is %+v", first)
	}
	if first.UserName != "Ann" || first.Status != iamapi.StatusTypeActive || !first.CreateDate.Equal(w.now) {
		t.Errorf("the key is %+v", first)
	}
	second := w.key("Ann")
	w.refused(&iamapi.CreateAccessKeyRequest{UserName: p("Ann")}, "LimitExceeded")
	w.refused(&iamapi.CreateAccessKeyRequest{UserName: p("none")}, "NoSuchEntity")

	w.ok(&iamapi.UpdateAccessKeyRequest{UserName: p("Ann"), AccessKeyID: second.AccessKeyID, Status: iamapi.StatusTypeInactive})
	want := []iamapi.AccessKeyMetadata{
		{UserName: "Ann", AccessKeyID: first.AccessKeyID, Status: iamapi.StatusTypeActive, CreateDate: first.CreateDate},
		{UserName: "Ann", AccessKeyID: second.AccessKeyID, Status: iamapi.StatusTypeInactive, CreateDate: second.CreateDate},
	}
	slices.SortFunc(want, func(a, b iamapi.AccessKeyMetadata) int { return cmpText(a.AccessKeyID, b.AccessKeyID) })
	if diff := cmp.Diff(want, get[*iamapi.ListAccessKeysResponse](w, &iamapi.ListAccessKeysRequest{UserName: p("ANN")}).AccessKeyMetadata); diff != "" {
		t.Error(diff)
	}
	w.ok(&iamapi.UpdateAccessKeyRequest{UserName: p("Ann"), AccessKeyID: second.AccessKeyID, Status: iamapi.StatusTypeActive})
	w.refused(&iamapi.UpdateAccessKeyRequest{UserName: p("Ann"), AccessKeyID: second.AccessKeyID, Status: iamapi.StatusTypeExpired}, "InvalidInput")
	w.refused(&iamapi.UpdateAccessKeyRequest{UserName: p("none"), AccessKeyID: second.AccessKeyID, Status: iamapi.StatusTypeActive}, "NoSuchEntity")
	w.refused(&iamapi.UpdateAccessKeyRequest{UserName: p("Ann"), AccessKeyID: "AKIA0000000000000000", Status: iamapi.StatusTypeActive}, "NoSuchEntity")
	w.refused(&iamapi.ListAccessKeysRequest{UserName: p("none")}, "NoSuchEntity")
	w.refused(&iamapi.DeleteAccessKeyRequest{UserName: p("bob"), AccessKeyID: first.AccessKeyID}, "NoSuchEntity")
	w.refused(&iamapi.DeleteAccessKeyRequest{UserName: p("none"), AccessKeyID: first.AccessKeyID}, "NoSuchEntity")
	w.ok(&iamapi.DeleteAccessKeyRequest{UserName: p("ann"), AccessKeyID: first.AccessKeyID})
	w.refused(&iamapi.DeleteAccessKeyRequest{UserName: p("ann"), AccessKeyID: first.AccessKeyID}, "NoSuchEntity")
	w.key("ann")
}

// The stored secret is sealed, and opens for the key that it belongs to alone.
func TestSecretsAreSealed(t *testing.T) {
	w := newWorld(t)
	w.user("ann")
	made := w.key("ann")
	var kept chime.AccessKey
	err := w.store.View(t.Context(), "", func(r store.Reader) (err error) {
		kept, _, err = store.AccessKeys.Get(r, store.K(made.AccessKeyID))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := w.keys.Unseal(kept.Secret, []byte(made.AccessKeyID))
	if err != nil || string(plain) != made.SecretAccessKey {
		t.Errorf("the secret is kept as %q, %v", plain, err)
	}
	if _, err := w.keys.Unseal(kept.Secret, []byte("AKIA0000000000000000")); err == nil {
		t.Error("the secret opens for another key")
	}
}

func TestUsersThatHaveSomethingStay(t *testing.T) {
	w := newWorld(t)
	w.user("ann")
	key := w.key("ann")
	w.refused(&iamapi.DeleteUserRequest{UserName: "ann"}, "DeleteConflict")
	w.ok(&iamapi.DeleteAccessKeyRequest{UserName: p("ann"), AccessKeyID: key.AccessKeyID})
	w.ok(&iamapi.PutUserPolicyRequest{UserName: "ann", PolicyName: "own", PolicyDocument: chimeOnly})
	w.refused(&iamapi.DeleteUserRequest{UserName: "ann"}, "DeleteConflict")
	w.ok(&iamapi.DeleteUserPolicyRequest{UserName: "ann", PolicyName: "own"})
	w.ok(&iamapi.AttachUserPolicyRequest{UserName: "ann", PolicyARN: chimeAccess})
	w.refused(&iamapi.DeleteUserRequest{UserName: "ann"}, "DeleteConflict")
	w.ok(&iamapi.DetachUserPolicyRequest{UserName: "ann", PolicyARN: chimeAccess})
	w.ok(&iamapi.DeleteUserRequest{UserName: "ann"})
}

// Every change is one event, and is told of before the call returns.
func TestChangesAreTold(t *testing.T) {
	w := newWorld(t)
	cursor, err := w.store.Follow("", w.position())
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	w.now = w.now.Add(time.Minute)
	w.user("ann")
	w.key("ann")
	if w.changes != 2 {
		t.Errorf("two changes were told %d times", w.changes)
	}
	events, err := cursor.Next(t.Context())
	if err != nil || len(events) != 2 {
		t.Fatal(len(events), err)
	}
	for _, e := range events {
		if e.Type != chime.EventUpdateAccount || e.Time != chime.At(w.now) || e.MessageType != "" {
			t.Errorf("event %+v", e)
		}
	}
	w.ok(&iamapi.ListUsersRequest{})
	w.refused(&iamapi.CreateUserRequest{UserName: "ann"}, "EntityAlreadyExists")
	if w.changes != 2 {
		t.Error("what changes nothing was told as a change")
	}
}

func TestQuotasOfTheAccount(t *testing.T) {
	w := newLimited(t, iam.Limits{Users: 1, Roles: 1, Policies: 1, Providers: 1})
	w.user("ann")
	w.role("app")
	arn := w.policy("pol")
	provider := get[*iamapi.CreateOpenIDConnectProviderResponse](w, &iamapi.CreateOpenIDConnectProviderRequest{URL: "https://a.example"}).OpenIDConnectProviderARN
	for range 2 { // what is deleted counts no more
		w.refused(&iamapi.CreateUserRequest{UserName: "bob"}, "LimitExceeded")
		w.refused(&iamapi.CreateRoleRequest{RoleName: "web", AssumeRolePolicyDocument: trustAll}, "LimitExceeded")
		w.refused(&iamapi.CreatePolicyRequest{PolicyName: "more", PolicyDocument: chimeOnly}, "LimitExceeded")
		w.refused(&iamapi.CreateOpenIDConnectProviderRequest{URL: "https://b.example"}, "LimitExceeded")
		w.ok(&iamapi.DeleteUserRequest{UserName: "ann"})
		w.ok(&iamapi.DeleteRoleRequest{RoleName: "app"})
		w.ok(&iamapi.DeletePolicyRequest{PolicyARN: arn})
		w.ok(&iamapi.DeleteOpenIDConnectProviderRequest{OpenIDConnectProviderARN: provider})
		w.ok(&iamapi.DeleteOpenIDConnectProviderRequest{OpenIDConnectProviderARN: provider})
		w.user("ann")
		w.role("app")
		w.policy("pol")
		w.ok(&iamapi.CreateOpenIDConnectProviderRequest{URL: "https://a.example"})
	}
}
