package access_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

const app = "arn:aws:chime:us-east-1:000000000000:app-instance/A"

type fixture struct {
	*access.Service
	store store.Store
	now   time.Time
	ids   int
}

func newFixture(t testing.TB, change ...func(*access.Options)) *fixture {
	t.Helper()
	f := &fixture{store: memstore.New(), now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	t.Cleanup(func() { f.store.Close() })
	f.Service = servicetest.NewAccess(t, f.store, f.clock, change...)
	return f
}

func (f *fixture) clock() time.Time { return f.now }

func (f *fixture) issue(t testing.TB, user string) access.Credentials {
	t.Helper()
	f.updateApp(t, func(tx store.Tx) error {
		if known, err := store.Users.Has(tx, store.K("A", user)); known || err != nil {
			return err
		}
		return store.Users.Put(tx, store.K("A", user), chime.User{ID: user, Order: 7})
	})
	c, err := f.IssueUserCredentials(t.Context(), "A", chime.UserRef(user), access.UserSessionDuration)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// verify signs a request with the credentials and has it verified.
func (f *fixture) verify(t testing.TB, c access.Credentials) (*access.Principal, error) {
	t.Helper()
	p, service, err := f.Verify(context.Background(), f.signed(t, c))
	if err == nil && service != "chime" {
		t.Errorf("signed for %q", service)
	}
	return p, err
}

func (f *fixture) signed(t testing.TB, c access.Credentials) *sigv4.Request {
	t.Helper()
	req, err := http.NewRequest("GET", "http://localhost/endpoints/messaging-session", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.RequestURI = "/endpoints/messaging-session"
	req.Host = "localhost"
	signer := sigv4.Signer{
		Credentials: sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken},
		Scope:       sigv4.Scope{Region: "us-east-1", Service: "chime"},
	}
	empty := sha256.Sum256(nil)
	if err := signer.Sign(req, empty, f.now); err != nil {
		t.Fatal(err)
	}
	r := sigv4.FromHTTP(req, empty)
	return &r
}

func TestUserSessionIsLimitedToItsUser(t *testing.T) {
	f := newFixture(t)
	p, err := f.verify(t, f.issue(t, "ann"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		op      string
		req     api.Request
		allowed bool
	}{
		{"endpoint", "GetMessagingSessionEndpoint", &messaging.GetMessagingSessionEndpointRequest{}, true},
		{"send as itself", "SendChannelMessage", &messaging.SendChannelMessageRequest{ChimeBearer: app + "/user/ann", ChannelARN: app + "/channel/c"}, true},
		{"send as another", "SendChannelMessage", &messaging.SendChannelMessageRequest{ChimeBearer: app + "/user/bob", ChannelARN: app + "/channel/c"}, false},
		{"send to another app instance", "SendChannelMessage", &messaging.SendChannelMessageRequest{ChimeBearer: app + "/user/ann", ChannelARN: app + "2/channel/c"}, false},
		{"list users", "ListAppInstanceUsers", &identity.ListAppInstanceUsersRequest{AppInstanceARN: app}, true},
		{"delete a user", "DeleteAppInstanceUser", &identity.DeleteAppInstanceUserRequest{AppInstanceUserARN: app + "/user/ann"}, false},
		{"create an admin", "CreateAppInstanceAdmin", &identity.CreateAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: app + "/user/ann"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := f.Authorize(t.Context(), p, operation("chime", tc.op), tc.req, access.Source{})
			var refused *api.Error
			if tc.allowed != (err == nil) || err != nil && (!errors.As(err, &refused) || refused.Type != "AccessDeniedException") {
				t.Errorf("got %v, allowed should be %v", err, tc.allowed)
			}
		})
	}
}

func TestRootMayDoEverything(t *testing.T) {
	f := newFixture(t)
	p, err := f.verify(t, access.Credentials{AccessKeyID: "AKIDROOT", SecretAccessKey: "root-secret"})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Authorize(t.Context(), p, operation("chime", "CreateAppInstance"), &identity.CreateAppInstanceRequest{}, access.Source{}); err != nil {
		t.Error(err)
	}
}

func TestRefusedCredentials(t *testing.T) {
	f := newFixture(t)
	ann, bob := f.issue(t, "ann"), f.issue(t, "bob")
	changed := func(c access.Credentials, change func(*access.Credentials)) access.Credentials { change(&c); return c }
	flipped := func(i int) func(*access.Credentials) {
		return func(c *access.Credentials) {
			b := []byte(c.SessionToken)
			b[i] = map[bool]byte{true: 'A', false: 'B'}[b[i] != 'A']
			c.SessionToken = string(b)
		}
	}
	for name, c := range map[string]access.Credentials{
		"unknown key":         {AccessKeyID: "AKIDOTHER", SecretAccessKey: "root-secret"},
		"wrong secret":        {AccessKeyID: "AKIDROOT", SecretAccessKey: "other"},
		"temporary, no token": changed(ann, func(c *access.Credentials) { c.SessionToken = "" }),
		"another's token":     changed(ann, func(c *access.Credentials) { c.SessionToken = bob.SessionToken }),
		"root key with token": {AccessKeyID: "AKIDROOT", SecretAccessKey: "root-secret", SessionToken: ann.SessionToken},
		"token format":        changed(ann, flipped(0)),
		"token nonce":         changed(ann, flipped(5)),
		"token body":          changed(ann, flipped(60)),
		"token end":           changed(ann, func(c *access.Credentials) { c.SessionToken = c.SessionToken[:40] }),
		"no token at all":     changed(ann, func(c *access.Credentials) { c.SessionToken = "x" }),
		"token of great size": changed(ann, func(c *access.Credentials) { c.SessionToken = strings.Repeat("A", 5000) }),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := f.verify(t, c)
			var refused *sigv4.Error
			if p != nil || !errors.As(err, &refused) || refused.Status != 403 {
				t.Errorf("got %v, %v", p, err)
			}
		})
	}
}

// What is refused without the body is what no body could mend: a wrong secret shows only once the
// body is there.
func TestScreen(t *testing.T) {
	f := newFixture(t)
	ann, bob := f.issue(t, "ann"), f.issue(t, "bob")
	root := access.Credentials{AccessKeyID: "AKIDROOT", SecretAccessKey: "root-secret"}
	f.role(t, "gone", allow(`"chime:*"`, `"*"`))
	orphan := f.session(t, "gone", access.SessionRequest{})
	f.update(t, func(tx store.Tx) error { return store.Roles.Delete(tx, store.K("gone")) })
	for _, tc := range []struct {
		name  string
		c     access.Credentials
		later time.Duration
		code  string // empty: it passes
	}{
		{"root", root, 0, ""},
		{"session", ann, 0, ""},
		{"wrong secret", access.Credentials{AccessKeyID: "AKIDROOT", SecretAccessKey: "other"}, 0, ""},
		{"unknown key", access.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: "x"}, 0, sigv4.CodeUnrecognized},
		{"another's token", access.Credentials{AccessKeyID: ann.AccessKeyID, SecretAccessKey: "x", SessionToken: bob.SessionToken}, 0, sigv4.CodeUnrecognized},
		{"role deleted", orphan, 0, sigv4.CodeUnrecognized},
		{"session over", ann, access.UserSessionDuration, sigv4.CodeExpiredToken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f.now = f.now.Add(tc.later)
			r := f.signed(t, tc.c)
			r.BodyHash = [sha256.Size]byte{}
			err := f.Screen(t.Context(), r)
			refused, ok := errors.AsType[*sigv4.Error](err)
			if tc.code == "" && err != nil || tc.code != "" && (!ok || refused.Code != tc.code || refused.Step != sigv4.StepKey) {
				t.Errorf("got %v, want %q", err, tc.code)
			}
		})
	}
}

func TestSessionEnds(t *testing.T) {
	f := newFixture(t)
	c := f.issue(t, "ann")
	if _, err := f.verify(t, c); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(access.UserSessionDuration)
	_, err := f.verify(t, c)
	var refused *sigv4.Error
	if !errors.As(err, &refused) || refused.Code != "ExpiredTokenException" {
		t.Errorf("got %v", err)
	}
}

func TestSessionTokenIsShortAndHidesItsClaims(t *testing.T) {
	f := newFixture(t)
	c := f.issue(t, "a-user-id-of-the-greatest-length-that-the-service-allows-to-be-64")
	if len(c.SessionToken) > 400 {
		t.Errorf("the token has %d characters", len(c.SessionToken))
	}
	if bytes.Contains([]byte(c.SessionToken), []byte("greatest")) {
		t.Error("the token shows the user")
	}
}

// The credentials of the chat page are for the user who had the id when they were made.
func TestChatSessionsEndWithTheirUser(t *testing.T) {
	f := newFixture(t)
	c := f.issue(t, "ann")
	f.mustVerify(t, c)
	standing := access.NewStanding(c.AccessKeyID, c.SessionToken, access.Source{})
	key := store.K("A", "ann")
	for _, test := range []struct {
		name   string
		change func(store.Tx) error
		lives  bool
	}{
		{"renamed", func(tx store.Tx) error { return store.Users.Put(tx, key, chime.User{ID: "ann", Name: "Ann", Order: 7}) }, true},
		{"deleted", func(tx store.Tx) error { return store.Users.Delete(tx, key) }, false},
		{"made again", func(tx store.Tx) error { return store.Users.Put(tx, key, chime.User{ID: "ann", Order: 8}) }, false},
	} {
		if err := f.store.Update(t.Context(), "A", test.change); err != nil { // without a call of Forget
			t.Fatal(err)
		}
		_, err := f.verify(t, c)
		_, again := f.Reconnect(t.Context(), standing, "A", "user/ann")
		if (err == nil) != test.lives || (again == nil) != test.lives {
			t.Errorf("%s: a request: %v; a connection: %v", test.name, err, again)
		}
	}
	f.mustVerify(t, f.issue(t, "ann"))
	if err := f.store.Update(t.Context(), "A", func(tx store.Tx) error { return store.Users.Delete(tx, key) }); err != nil {
		t.Fatal(err)
	}
	if _, err := f.IssueUserCredentials(t.Context(), "A", "user/ann", time.Hour); err == nil {
		t.Error("a user that does not exist gets credentials")
	}
}
