package access_test

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
)

// refused checks that the verification stops at the step of the key.
func refused(t *testing.T, err error, code string, words string) {
	t.Helper()
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok || e.Code != code || e.Step != sigv4.StepKey || !strings.Contains(e.Message, words) {
		t.Errorf("got %v, want %s with %q", err, code, words)
	}
}

// mayList tells whether the principal may list the channels of ann.
func (f *fixture) mayList(p *access.Principal) error {
	return f.Authorize(context.Background(), p, operation("chime", "ListChannels"),
		&messaging.ListChannelsRequest{AppInstanceARN: app, ChimeBearer: app + "/user/ann"}, access.Source{})
}

func TestPrincipalsAreNamedAsInAWS(t *testing.T) {
	f := newFixture(t)
	ann := f.user(t, "ann", allow(`"*"`, `"*"`))
	f.role(t, "chat", allow(`"*"`, `"*"`), func(r *chime.Role) { r.Path = "/team/" })
	var user chime.AccountUser
	if err := f.store.View(t.Context(), "", func(r store.Reader) (err error) {
		user, _, err = store.AccountUsers.Get(r, store.K("ann"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	issue := func(r access.SessionRequest) access.Credentials {
		r.Duration = time.Hour
		c, err := f.Issue(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, test := range []struct {
		name          string
		c             access.Credentials
		kind          access.Kind
		arn, id, role string
		temporary     bool
	}{
		{"root", access.Credentials{AccessKeyID: servicetest.RootAccessKeyID, SecretAccessKey: servicetest.RootSecretAccessKey},
			access.Root, account + "root", "000000000000", account + "root", false},
		{"user", ann, access.User, account + "user/team/ann", user.ID, account + "user/team/ann", false},
		{"role session", f.session(t, "chat", access.SessionRequest{SessionName: "web"}), access.RoleSession,
			"arn:aws:sts::000000000000:assumed-role/chat/web", "AROAC:web", account + "role/team/chat", true},
		{"session of a user", issue(access.SessionRequest{User: &user}), access.UserSession,
			account + "user/team/ann", user.ID, account + "user/team/ann", true},
		{"session of the root", issue(access.SessionRequest{}), access.UserSession, account + "root", "000000000000", account + "root", true},
		{"chat", f.issue(t, "bob"), access.ChatSession, "arn:aws:sts::000000000000:assumed-role/app-instance-user/bob", "bob",
			"arn:aws:sts::000000000000:assumed-role/app-instance-user/bob", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := f.mustVerify(t, test.c)
			if p.Kind != test.kind || p.ARN != test.arn || p.ID != test.id || p.RoleARN() != test.role ||
				p.Temporary() != test.temporary || p.AccessKeyID != test.c.AccessKeyID {
				t.Errorf("got %+v", p)
			}
			if test.temporary && (test.c.ARN != p.ARN || test.c.ID != p.ID || !p.Expires.Equal(test.c.Expiration) || !p.Issued.Equal(f.now)) {
				t.Errorf("issued %+v, verified %+v", test.c, p)
			}
			if p.IsRoot() != strings.HasPrefix(test.name, "root") && test.name != "session of the root" {
				t.Errorf("root: %v", p.IsRoot())
			}
		})
	}
}

func TestKeysOfUsers(t *testing.T) {
	f := newFixture(t)
	c := f.user(t, "ann", allow(`"chime:*"`, `"`+app+`/user/${aws:username}"`))
	if err := f.mayList(f.mustVerify(t, c)); err != nil {
		t.Error(err)
	}

	f.key(t, c, "ann", false)
	_, err := f.verify(t, c)
	refused(t, err, sigv4.CodeUnrecognized, "not active")
	f.key(t, c, "ann", true)
	f.mustVerify(t, c)

	wrong := c
	wrong.SecretAccessKey = "other"
	if _, err := f.verify(t, wrong); err == nil {
		t.Error("a wrong secret is accepted")
	}
	token := c
	token.SessionToken = c.AccessKeyID
	_, err = f.verify(t, token)
	refused(t, err, sigv4.CodeUnrecognized, "session token")
	f.update(t, func(tx store.Tx) error { return store.AccessKeys.Delete(tx, store.K(c.AccessKeyID)) })
	_, err = f.verify(t, c)
	refused(t, err, sigv4.CodeUnrecognized, "does not know")
}

func TestAChangeOfPolicyIsSeenByTheNextRequest(t *testing.T) {
	f := newFixture(t)
	user := f.user(t, "ann", allow(`"chime:*"`, `"*"`))
	f.role(t, "chat", allow(`"chime:*"`, `"*"`))
	session := f.session(t, "chat", access.SessionRequest{})
	for kind, c := range map[string]access.Credentials{"user": user, "role": session} {
		name := map[string]string{"user": "ann", "role": "chat"}[kind]
		for range 2 { // the second time from memory
			if err := f.mayList(f.mustVerify(t, c)); err != nil {
				t.Error(err)
			}
		}
		f.inline(t, kind, name, "stop", strings.Replace(allow(`"chime:List*"`, `"*"`), "Allow", "Deny", 1))
		err := f.mayList(f.mustVerify(t, c))
		expect(t, err, "AccessDeniedException", "explicit deny in the inline policy stop, statement 1")
		f.update(t, func(tx store.Tx) error { return store.InlinePolicies.Delete(tx, store.K(kind, name, "stop")) })
		if err := f.mayList(f.mustVerify(t, c)); err != nil {
			t.Error(err)
		}
	}
}

// While requests go on, each that begins after a change has returned sees it.
func TestForgettingWhileOthersCall(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"chime:*"`, `"*"`))
	c := f.session(t, "chat", access.SessionRequest{})
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				p, err := f.verify(t, c)
				if err != nil {
					t.Error(err)
					return
				}
				_ = f.mayList(p)
			}
		})
	}
	for i := range 50 {
		effect := []string{"Deny", "Allow"}[i%2]
		f.inline(t, "role", "chat", "p", strings.Replace(allow(`"chime:*"`, `"*"`), "Allow", effect, 1))
		if err := f.mayList(f.mustVerify(t, c)); (err == nil) != (effect == "Allow") {
			t.Errorf("%s: %v", effect, err)
		}
	}
	close(stop)
	others.Wait()
}

func TestASessionDiesWithItsRole(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"*"`, `"*"`))
	c := f.session(t, "chat", access.SessionRequest{})
	f.mustVerify(t, c)
	f.update(t, func(tx store.Tx) error { return store.Roles.Delete(tx, store.K("chat")) })
	_, err := f.verify(t, c)
	refused(t, err, sigv4.CodeUnrecognized, "no longer exists")

	f.role(t, "chat", allow(`"*"`, `"*"`)) // another of the same name
	_, err = f.verify(t, c)
	refused(t, err, sigv4.CodeUnrecognized, "no longer exists")
}

func TestASessionDiesWithItsUser(t *testing.T) {
	f := newFixture(t)
	f.user(t, "ann", allow(`"*"`, `"*"`))
	session, err := f.Issue(t.Context(), access.SessionRequest{User: &chime.AccountUser{Name: "ann", ID: "AIDAB"}, Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	f.mustVerify(t, session)
	f.user(t, "ann", allow(`"*"`, `"*"`)) // another id
	_, err = f.verify(t, session)
	refused(t, err, sigv4.CodeUnrecognized, "no longer exists")
}

// A session ends when its time is over, also when the clock of the machine was set back meanwhile.
func TestASessionEndsWhateverTheClockDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		clock, err := store.OpenClock(t.Context(), f.store)
		if err != nil {
			t.Fatal(err)
		}
		f.Service = servicetest.NewAccess(t, f.store, f.clock, func(o *access.Options) { o.Clock = clock })
		f.role(t, "chat", allow(`"chime:*"`, `"*"`))
		c := f.session(t, "chat", access.SessionRequest{})
		f.now = f.now.Add(-time.Hour)
		time.Sleep(59 * time.Minute)
		f.mustVerify(t, c)
		time.Sleep(time.Minute)
		_, err = f.verify(t, c)
		refused(t, err, sigv4.CodeExpiredToken, "expired")
	})
}

// Whoever changes the root secret because somebody else has it wants the sessions gone as well.
func TestASessionOfTheRootDiesWithItsSecret(t *testing.T) {
	f := newFixture(t)
	session, err := f.Issue(t.Context(), access.SessionRequest{Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	f.mustVerify(t, session)
	f.Service = servicetest.NewAccess(t, f.store, f.clock, func(o *access.Options) { o.RootSecretAccessKey = "another-root-secret" })
	_, err = f.verify(t, session)
	refused(t, err, sigv4.CodeUnrecognized, "no longer exists")
}

// "Revoke active sessions" of AWS's console puts this policy on a role.
func TestOlderSessionsCanBeRevoked(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"chime:*"`, `"*"`))
	old := f.session(t, "chat", access.SessionRequest{})
	f.now = f.now.Add(time.Minute)
	f.inline(t, "role", "chat", "AWSRevokeOlderSessions", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"],
		"Condition":{"DateLessThan":{"aws:TokenIssueTime":"`+f.now.Format("2006-01-02T15:04:05.000Z")+`"}}}]}`)
	expect(t, f.mayList(f.mustVerify(t, old)), "AccessDeniedException", "AWSRevokeOlderSessions")
	f.now = f.now.Add(time.Minute)
	if err := f.mayList(f.assume(t, "chat", access.SessionRequest{})); err != nil {
		t.Errorf("a newer session: %v", err)
	}
}

func TestSessionPoliciesOnlyNarrow(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"chime:ListChannels", "chime:DescribeChannel"`, `"*"`))
	describe := func(p *access.Principal) error {
		return f.Authorize(t.Context(), p, operation("chime", "DescribeChannel"),
			&messaging.DescribeChannelRequest{ChimeBearer: app + "/user/ann", ChannelARN: app + "/channel/c"}, access.Source{})
	}
	update := func(p *access.Principal) error {
		return f.Authorize(t.Context(), p, operation("chime", "UpdateChannel"),
			&messaging.UpdateChannelRequest{ChimeBearer: app + "/user/ann", ChannelARN: app + "/channel/c"}, access.Source{})
	}
	p := f.assume(t, "chat", access.SessionRequest{Policies: documents(allow(`"chime:List*"`, `"*"`), allow(`"chime:Update*"`, `"*"`))})
	if err := f.mayList(p); err != nil {
		t.Error(err)
	}
	expect(t, describe(p), "AccessDeniedException", "no session policy allows")
	expect(t, update(p), "AccessDeniedException", "no identity-based policy allows")
}

func TestABoundaryLimits(t *testing.T) {
	f := newFixture(t)
	const boundary = account + "policy/Limit"
	f.update(t, func(tx store.Tx) error {
		return store.Policies.Put(tx, store.K("limit"), chime.ManagedPolicy{Name: "Limit", Path: "/", Default: 1,
			Versions: []chime.PolicyVersion{{Number: 1, Document: allow(`"chime:Describe*"`, `"*"`)}}})
	})
	f.role(t, "chat", allow(`"chime:*"`, `"*"`), func(r *chime.Role) { r.Boundary = boundary })
	expect(t, f.mayList(f.assume(t, "chat", access.SessionRequest{})), "AccessDeniedException", "no permissions boundary allows")
}

func TestSessionTagsStandOverThoseOfTheRole(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"chime:*"`, `"`+app+`/user/${aws:PrincipalTag/UserUUID}"`), func(r *chime.Role) {
		r.Tags = tags("useruuid", "bob", "team", "blue")
	})
	p := f.assume(t, "chat", access.SessionRequest{Tags: tags("UserUUID", "ann"), Transitive: []string{"UserUUID"}})
	if err := f.mayList(p); err != nil {
		t.Error(err)
	}
	if len(p.Tags) != 2 || len(p.SessionTags) != 1 || len(p.Transitive) != 1 {
		t.Errorf("got %+v", p)
	}
	expect(t, f.mayList(f.assume(t, "chat", access.SessionRequest{})), "AccessDeniedException")
}

func TestCredentialsOfGetSessionTokenCannotCallIAM(t *testing.T) {
	f := newFixture(t)
	c, err := f.Issue(t.Context(), access.SessionRequest{Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	p := f.mustVerify(t, c)
	call := func(p *access.Principal, service, name string) error {
		return f.Authorize(t.Context(), p, operation(service, name), new(iam.ListUsersRequest), access.Source{})
	}
	if err := f.mayList(p); err != nil {
		t.Error(err)
	}
	expect(t, call(p, "iam", "ListUsers"), "AccessDeniedException", "GetSessionToken")
	expect(t, call(p, "sts", "GetSessionToken"), "AccessDeniedException", "session credentials")
	if err := call(p, "sts", "GetCallerIdentity"); err != nil {
		t.Error(err)
	}
	if err := call(f.root(t), "iam", "ListUsers"); err != nil {
		t.Error(err)
	}
}

// Nothing can deny GetCallerIdentity, and a deny of TagSession stops a call with tags.
func TestDeniesOfSTS(t *testing.T) {
	f := newFixture(t)
	deny := strings.Replace(allow(`"sts:GetCallerIdentity", "sts:TagSession"`, `"*"`), "Allow", "Deny", 1)
	f.user(t, "ann", allow(`"sts:AssumeRole"`, `"`+account+`role/chat"`))
	f.inline(t, "user", "ann", "deny", deny)
	p := f.mustVerify(t, access.Credentials{AccessKeyID: "AKIAann", SecretAccessKey: "secret-of-ann"})
	call := func(name string, r *sts.AssumeRoleRequest) error {
		return f.Authorize(t.Context(), p, operation("sts", name), r, access.Source{})
	}
	if err := call("GetCallerIdentity", &sts.AssumeRoleRequest{}); err != nil {
		t.Error(err)
	}
	if err := call("AssumeRole", &sts.AssumeRoleRequest{RoleARN: account + "role/chat"}); err != nil {
		t.Error(err)
	}
	if err := call("AssumeRole", &sts.AssumeRoleRequest{RoleARN: account + "role/other"}); err != nil {
		t.Errorf("the role may trust the caller by name: %v", err)
	}
	tagged := &sts.AssumeRoleRequest{RoleARN: account + "role/chat", Tags: []sts.Tag{{Key: "k", Value: new(string)}}}
	expect(t, call("AssumeRole", tagged), "AccessDeniedException", "sts:TagSession", "explicit deny")
	f.inline(t, "user", "ann", "deny", allow(`"a:b"`, `"*"`))
	p = f.mustVerify(t, access.Credentials{AccessKeyID: "AKIAann", SecretAccessKey: "secret-of-ann"})
	if err := call("AssumeRole", tagged); err != nil {
		t.Errorf("the trust policy may allow it: %v", err)
	}
}

func TestTokensOpenAfterARestart(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"chime:*"`, `"*"`))
	c := f.session(t, "chat", access.SessionRequest{Policies: documents(allow(`"chime:*"`, `"*"`)), Tags: tags("k", "v")})
	f.Service = servicetest.NewAccess(t, f.store, f.clock)
	if err := f.mayList(f.mustVerify(t, c)); err != nil {
		t.Error(err)
	}
	other := newFixture(t)
	other.role(t, "chat", allow(`"chime:*"`, `"*"`))
	_, err := other.verify(t, c)
	refused(t, err, sigv4.CodeUnrecognized, "session token")
}

func TestTheRoomOfASessionToken(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"*"`, `"*"`))
	// Policies are much alike, so many fit; what is random does not compress.
	var actions []string
	for i := range 250 {
		actions = append(actions, fmt.Sprintf(`"chime:Operation%d"`, i))
	}
	long := allow(strings.Join(actions, ","), `"`+app+`/user/ann"`)
	for _, test := range []struct {
		name     string
		r        access.SessionRequest
		min, max int
	}{
		{"nothing", access.SessionRequest{}, 0, 0},
		{"one tag", access.SessionRequest{Tags: tags("k", "v")}, 1, 2},
		{"a policy of 5 KB", access.SessionRequest{Policies: documents(long)}, 10, 99},
	} {
		c := f.session(t, "chat", test.r)
		if c.Packed < test.min || c.Packed > test.max || len(c.SessionToken) > access.MaxToken {
			t.Errorf("%s: %d%% of the room, %d characters", test.name, c.Packed, len(c.SessionToken))
		}
		f.mustVerify(t, c)
	}
	var many []chime.Tag
	for i := range 50 {
		noise := sha512.Sum512([]byte{byte(i)})
		many = append(many, chime.Tag{Key: fmt.Sprint(i), Value: base64.StdEncoding.EncodeToString(noise[:])})
	}
	_, err := f.Issue(t.Context(), access.SessionRequest{Role: &chime.Role{Name: "chat", ID: "x"}, SessionName: "s", Duration: time.Hour, Tags: many})
	if e, ok := errors.AsType[*access.PackedTooLargeError](err); !ok || e.Percent <= 100 {
		t.Errorf("got %v", err)
	}
}

// What another node has changed and this one was not told of is not decided by what it remembers, once that is
// not confirmed any more.
func TestWhatIsNotConfirmedIsReadAgain(t *testing.T) {
	confirmed := true
	f := newFixture(t, func(o *access.Options) { o.Confirmed = func() bool { return confirmed } })
	f.role(t, "chat", allow(`"chime:*"`, `"*"`))
	c := f.session(t, "chat", access.SessionRequest{})
	if _, err := f.verify(t, c); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Update(t.Context(), "", func(tx store.Tx) error { return store.Roles.Delete(tx, store.K("chat")) }); err != nil {
		t.Fatal(err)
	}
	if _, err := f.verify(t, c); err != nil {
		t.Errorf("what is remembered and confirmed: %v", err)
	}
	confirmed = false
	if _, err := f.verify(t, c); err == nil {
		t.Error("a session of a role that is gone is let in by what is not confirmed")
	}
}
