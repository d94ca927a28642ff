package sts_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api/iam"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	userPoor = "arn:aws:iam::000000000000:user/poor"
	roleNext = "arn:aws:iam::000000000000:role/next"
)

// next makes a role whose trust policy names the principal, and assumes it.
func (f *fixture) next(principal string) {
	f.t.Helper()
	f.must(f.Account.CreateRole(context.Background(), &iam.CreateRoleRequest{RoleName: "next", AssumeRolePolicyDocument: trust(`"AWS":"`+principal+`"`, "")}))
}

func (f *fixture) assumeNext(by keys) error {
	_, err := f.tryAssume(by, func(r *wire.AssumeRoleRequest) { r.RoleARN = roleNext })
	return err
}

// shown is the trust policy of next as GetRole answers it.
func (f *fixture) shown() string {
	f.t.Helper()
	got, err := f.Account.GetRole(context.Background(), &iam.GetRoleRequest{RoleName: "next"})
	f.must(got, err)
	text, err := url.QueryUnescape(got.Role.AssumeRolePolicyDocument)
	f.must(text, err)
	return text
}

func (f *fixture) deleteUser(name string, key keys) {
	f.t.Helper()
	f.must(f.Account.DeleteAccessKey(context.Background(), &iam.DeleteAccessKeyRequest{UserName: &name, AccessKeyID: key.id}))
	f.must(f.Account.DeleteUser(context.Background(), &iam.DeleteUserRequest{UserName: name}))
}

func (f *fixture) deleteApp() {
	f.t.Helper()
	f.must(f.Account.DeleteRolePolicy(context.Background(), &iam.DeleteRolePolicyRequest{RoleName: "app", PolicyName: "all"}))
	f.must(f.Account.DeleteRole(context.Background(), &iam.DeleteRoleRequest{RoleName: "app"}))
}

// A user or role that is made under the name of a deleted one does not inherit its roles.
func TestTrustIsInThoseWhoHadTheName(t *testing.T) {
	t.Run("user", func(t *testing.T) {
		f := newFixture(t)
		poor := f.user("poor")
		f.next(userPoor)
		f.must(nil, f.assumeNext(poor))
		f.deleteUser("poor", poor)
		if text := f.shown(); !strings.Contains(text, `{"AWS":"AIDA`) {
			t.Errorf("without the user the policy is %s", text)
		}
		again := f.user("poor")
		f.refused("the user made again", f.assumeNext(again), "AccessDenied")
		if text := f.shown(); !strings.Contains(text, `{"AWS":"AIDA`) {
			t.Errorf("with another user of the name the policy is %s", text)
		}
		f.must(f.Account.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyRequest{RoleName: "next", PolicyDocument: trust(`"AWS":"`+userPoor+`"`, "")}))
		f.must(nil, f.assumeNext(again))
		if text := f.shown(); text != trust(`"AWS":"`+userPoor+`"`, "") {
			t.Errorf("set again the policy is %s", text)
		}
	})
	for name, principal := range map[string]string{"role": roleARN, "session of a role": "arn:aws:sts::000000000000:assumed-role/app/s1"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.role(trust(byAccount, ""))
			_, session := f.assume(root)
			_, other := f.assume(root, func(r *wire.AssumeRoleRequest) { r.RoleSessionName = "s2" })
			f.next(principal)
			f.must(f.Account.PutRolePolicy(t.Context(), &iam.PutRolePolicyRequest{RoleName: "app", PolicyName: "all", PolicyDocument: document("Allow", "chime:*", "*")}))
			f.must(nil, f.assumeNext(session))
			if err := f.assumeNext(other); (err == nil) != (principal == roleARN) {
				t.Errorf("another session: %v", err)
			}
			f.deleteApp()
			if text := f.shown(); !strings.Contains(text, `{"AWS":"AROA`) {
				t.Errorf("without the role the policy is %s", text)
			}
			f.role(trust(byAccount, ""))
			_, session = f.assume(root)
			f.must(f.Account.PutRolePolicy(t.Context(), &iam.PutRolePolicyRequest{RoleName: "app", PolicyName: "all", PolicyDocument: document("Allow", "chime:*", "*")}))
			f.refused("a session of the role made again", f.assumeNext(session), "AccessDenied")
		})
	}
}

// A role of an older version trusts the holders of the names when it is first opened, and no later ones;
// before that it trusts no name.
func TestRolesThatWereStoredWithoutIDs(t *testing.T) {
	f := newFixture(t)
	poor := f.user("poor")
	f.next(userPoor)
	f.must(nil, f.Store.Update(t.Context(), "", func(tx store.Tx) error {
		role, _, err := store.Roles.Get(tx, store.K("next"))
		if err != nil {
			return err
		}
		role.Trusted, role.Bound = nil, false
		role.Trust = trust(`"AWS":["`+userPoor+`","arn:aws:iam::000000000000:user/later"]`, "")
		return store.Roles.Put(tx, store.K("next"), role)
	}))
	f.refused("before it is bound", f.assumeNext(poor), "AccessDenied")
	f.must(nil, f.Account.BindTrusts(t.Context()))
	f.must(nil, f.assumeNext(poor))
	later := f.user("later")
	f.refused("a user made later", f.assumeNext(later), "AccessDenied")
	f.must(nil, f.Account.BindTrusts(t.Context()))
	f.refused("a user made later, after a restart", f.assumeNext(later), "AccessDenied")
}

// NotPrincipal is refused now; a role that has it from before trusts no caller.
func TestNotPrincipalTrustsNoCaller(t *testing.T) {
	f := newFixture(t)
	eve := f.user("eve", document("Allow", "sts:*", "*"))
	const account = "arn:aws:iam::000000000000:root"
	for name, statements := range map[string]string{
		"deny all but bob":        `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"},{"Effect":"Deny","NotPrincipal":{"AWS":["` + account + `","arn:aws:iam::000000000000:user/bob"]},"Action":"sts:AssumeRole"}`,
		"deny all but an account": `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"},{"Effect":"Deny","NotPrincipal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}`,
		"allow all but bob":       `{"Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::000000000000:user/bob"},"Action":"sts:AssumeRole"}`,
	} {
		text := `{"Version":"2012-10-17","Statement":[` + statements + `]}`
		_, err := f.Account.CreateRole(t.Context(), &iam.CreateRoleRequest{RoleName: "next", AssumeRolePolicyDocument: text})
		f.refused(name, err, "MalformedPolicyDocument")
		f.must(nil, f.Store.Update(t.Context(), "", func(tx store.Tx) error {
			return store.Roles.Put(tx, store.K("next"), chime.Role{Name: "next", ID: "AROAN", Path: "/", MaxSession: 3600, Trust: text})
		}))
		f.must(nil, f.Account.BindTrusts(t.Context()))
		f.refused(name+", stored", f.assumeNext(eve), "AccessDenied")
		f.refused(name+", stored, the root", f.assumeNext(root), "AccessDenied")
	}
}

// A user who was deleted after its request was verified gets no session of another of its name.
func TestSessionTokenIsForWhoAsked(t *testing.T) {
	f := newFixture(t)
	poor := f.user("poor")
	_, found, err := f.Access.SecretKey(t.Context(), poor.id, "")
	f.must(nil, err)
	ctx := access.WithCaller(t.Context(), found.(*access.Principal), f.from)
	f.deleteUser("poor", poor)
	f.user("poor")
	_, err = f.STS.GetSessionToken(ctx, &wire.GetSessionTokenRequest{})
	f.refused("another user of the name", err, "AccessDenied")
}
