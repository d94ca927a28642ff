package cognito_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	stsapi "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/cognito"
	"github.com/carillon-chat/carillon/internal/oidc/oidctest"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/sts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	pool      = "us-east-1:11111111-2222-3333-4444-555555555555"
	otherPool = "us-east-1:99999999-2222-3333-4444-555555555555"
)

// fixture is an account with identity pools.
type fixture struct {
	*cognito.Service
	*servicetest.Federation
	t   *testing.T
	now time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return f.now }
	f.Federation = servicetest.NewFederation(t, clock)
	f.Service = cognito.New(cognito.Options{Store: f.Store, Site: f.Site, STS: f.STS, Verifier: f.Verifier, Own: f.Own,
		Now: clock, Random: rand.Reader, GuestRate: 5})
	f.Changed = f.Forget
	return f
}

// role makes a role for callers of a pool: "authenticated" or "unauthenticated" ones.
func (f *fixture) role(name, pool, method string) {
	f.t.Helper()
	f.must(f.Account.CreateRole(context.Background(), &iam.CreateRoleRequest{RoleName: name, AssumeRolePolicyDocument: trust(pool, method)}))
	f.must(f.Account.PutRolePolicy(context.Background(), &iam.PutRolePolicyRequest{RoleName: name, PolicyName: "p",
		PolicyDocument: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:*","Resource":[` +
			`"arn:aws:chime:*:*:app-instance/A/user/${cognito-identity.amazonaws.com:sub}","arn:aws:chime:*:*:app-instance/A/channel/*"]}}`}))
}

func trust(pool, method string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"cognito-identity.amazonaws.com"},` +
		`"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"cognito-identity.amazonaws.com:aud":"` + pool + `"},` +
		`"ForAnyValue:StringLike":{"cognito-identity.amazonaws.com:amr":"` + method + `"}}}}`
}

func (f *fixture) must(_ any, err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) refused(what string, err error, kind api.Exception) {
	f.t.Helper()
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Type != kind.Type {
		f.t.Errorf("%s: got %v, want %s", what, err, kind.Type)
	}
}

// as are the logins of somebody, by the subject at each issuer.
func (f *fixture) as(subject string, issuers ...*oidctest.Issuer) map[string]string {
	logins := map[string]string{}
	for _, i := range issuers {
		logins[i.Provider()] = i.Token(f.now, map[string]any{"sub": subject})
	}
	return logins
}

func (f *fixture) id(logins map[string]string) string {
	f.t.Helper()
	resp, err := f.GetId(f.t.Context(), &wire.GetIdInput{IdentityPoolID: pool, Logins: logins})
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.IdentityID
}

func (f *fixture) credentials(id string, logins map[string]string) (*wire.Credentials, error) {
	resp, err := f.GetCredentialsForIdentity(f.t.Context(), &wire.GetCredentialsForIdentityInput{IdentityID: id, Logins: logins})
	if err != nil {
		return nil, err
	}
	return resp.Credentials, nil
}

// maySend reports whether the session may send as the user.
func (f *fixture) maySend(accessKeyID, token, user string) bool {
	f.t.Helper()
	_, found, err := f.Access.SecretKey(f.t.Context(), accessKeyID, token)
	if err != nil {
		f.t.Fatal(err)
	}
	const app = "arn:aws:chime:us-east-1:000000000000:app-instance/A"
	return f.Access.Authorize(f.t.Context(), found.(*access.Principal), &api.Operation{SigningName: "chime", Name: "SendChannelMessage"},
		&messaging.SendChannelMessageRequest{ChimeBearer: app + "/user/" + user, ChannelARN: app + "/channel/c"}, access.Source{}) == nil
}

func (f *fixture) identities() (n int) {
	f.t.Helper()
	f.must(nil, f.Store.View(f.t.Context(), "", func(r store.Reader) error {
		return store.PoolIdentities.Each(r, store.Range{}, func(store.Key, chime.PoolIdentity) (bool, error) { n++; return true, nil })
	}))
	return n
}

func TestGuests(t *testing.T) {
	f := newFixture(t)
	f.role("guests", pool, "unauthenticated")
	first, second := f.id(nil), f.id(nil)
	if first == second || !strings.HasPrefix(first, "us-east-1:") {
		t.Errorf("got %s and %s", first, second)
	}
	c, err := f.credentials(first, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !f.maySend(c.AccessKeyID, c.SessionToken, first) || f.maySend(c.AccessKeyID, c.SessionToken, second) {
		t.Error("the identity does not decide as whom the session acts")
	}
	if !c.Expiration.Equal(f.now.Add(time.Hour)) || c.SecretKey == "" {
		t.Errorf("got %+v", c)
	}
	issuer := f.Issuer()
	_, err = f.GetId(t.Context(), &wire.GetIdInput{IdentityPoolID: pool, Logins: f.as("ann", issuer)})
	f.refused("a login where there are only guests", err, wire.NotAuthorizedException)
}

func TestOneLoginHasOneIdentity(t *testing.T) {
	f := newFixture(t)
	f.role("users", pool, "authenticated")
	issuer := f.Issuer()
	ann, bob := f.id(f.as("ann", issuer)), f.id(f.as("bob", issuer))
	if again := f.id(f.as("ann", issuer)); again != ann || ann == bob {
		t.Errorf("got %s and %s for ann, %s for bob", ann, again, bob)
	}
	c, err := f.credentials(ann, f.as("ann", issuer))
	if err != nil {
		t.Fatal(err)
	}
	if !f.maySend(c.AccessKeyID, c.SessionToken, ann) || f.maySend(c.AccessKeyID, c.SessionToken, bob) {
		t.Error("the identity does not decide as whom the session acts")
	}
	_, err = f.credentials(ann, nil)
	f.refused("without a login", err, wire.NotAuthorizedException)
	_, err = f.credentials(ann, f.as("bob", issuer))
	f.refused("with another's login", err, wire.NotAuthorizedException)
	_, err = f.credentials(ann, f.as("carol", issuer))
	f.refused("with a login that nobody has", err, wire.NotAuthorizedException)
	_, err = f.GetOpenIdToken(t.Context(), &wire.GetOpenIdTokenInput{IdentityID: ann, Logins: f.as("bob", issuer)})
	f.refused("a token with another's login", err, wire.NotAuthorizedException)
	_, err = f.GetId(t.Context(), &wire.GetIdInput{IdentityPoolID: pool})
	f.refused("guests where there are only logins", err, wire.NotAuthorizedException)
	if n := f.identities(); n != 2 {
		t.Errorf("%d identities are stored", n)
	}
}

func TestLinkedLogins(t *testing.T) {
	f := newFixture(t)
	f.role("users", pool, "authenticated")
	one, two := f.Issuer(), f.Issuer()
	ann := f.id(f.as("ann", one))
	if both := f.id(f.as("ann", one, two)); both != ann {
		t.Errorf("both logins have %s, the first %s", both, ann)
	}
	if second := f.id(f.as("ann", two)); second != ann {
		t.Errorf("the second login has %s, the first %s", second, ann)
	}
	bob := f.id(f.as("bob", one))
	mixed := f.as("ann", two)
	mixed[one.Provider()] = f.as("bob", one)[one.Provider()]
	_, err := f.GetId(t.Context(), &wire.GetIdInput{IdentityPoolID: pool, Logins: mixed})
	f.refused("logins of two", err, wire.ResourceConflictException)
	_, err = f.credentials(bob, mixed)
	f.refused("logins of two for one", err, wire.ResourceConflictException)
	// A proven identity takes a new login by any call.
	f.must(f.credentials(bob, f.as("bob", one, two)))
	if second := f.id(f.as("bob", two)); second != bob {
		t.Errorf("the second login has %s, the first %s", second, bob)
	}
}

func TestGuestBecomesAUser(t *testing.T) {
	f := newFixture(t)
	f.role("guests", pool, "unauthenticated")
	f.role("users", pool, "authenticated")
	issuer := f.Issuer()
	known := f.id(f.as("bob", issuer))
	guest := f.id(nil)
	_, err := f.credentials(guest, f.as("bob", issuer))
	f.refused("a login that has an identity", err, wire.NotAuthorizedException)
	f.must(f.credentials(guest, f.as("ann", issuer)))
	if id := f.id(f.as("ann", issuer)); id != guest {
		t.Errorf("ann has %s, not %s", id, guest)
	}
	_, err = f.credentials(guest, nil)
	f.refused("a guest again", err, wire.NotAuthorizedException)
	_, err = f.credentials(guest, f.as("carol", issuer))
	f.refused("somebody else", err, wire.NotAuthorizedException)
	if known == guest {
		t.Error("bob was taken over")
	}
}

func TestPoolsAreWhatRolesSay(t *testing.T) {
	f := newFixture(t)
	get := func(id string) error {
		_, err := f.GetId(t.Context(), &wire.GetIdInput{IdentityPoolID: id})
		return err
	}
	f.refused("no role", get(pool), wire.ResourceNotFoundException)
	f.role("guests", pool, "unauthenticated")
	f.must(nil, get(pool))
	f.refused("another pool", get(otherPool), wire.ResourceNotFoundException)
	for what, text := range map[string]string{
		"every pool":     strings.Replace(trust("*", "unauthenticated"), "StringEquals", "StringLike", 1),
		"no pool":        `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"cognito-identity.amazonaws.com"},"Action":"sts:AssumeRoleWithWebIdentity"}}`,
		"all but a pool": strings.Replace(trust(otherPool, "unauthenticated"), "StringEquals", "StringNotEquals", 1),
		"denied":         strings.Replace(trust(otherPool, "unauthenticated"), "Allow", "Deny", 1),
		"another issuer": strings.Replace(trust(otherPool, "unauthenticated"), `"cognito-identity.amazonaws.com"`, `"arn:aws:iam::000000000000:oidc-provider/x.example"`, 1),
	} {
		f.must(f.Account.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyRequest{RoleName: "guests", PolicyDocument: text}))
		f.refused(what, get(otherPool), wire.ResourceNotFoundException)
	}
	if n := f.identities(); n != 1 {
		t.Errorf("%d identities are stored", n)
	}
	_, err := f.GetId(t.Context(), &wire.GetIdInput{IdentityPoolID: pool, AccountID: p("111111111111")})
	f.refused("another account", err, wire.ResourceNotFoundException)
}

func TestSeveralRoles(t *testing.T) {
	f := newFixture(t)
	f.role("one", pool, "authenticated")
	f.role("two", pool, "authenticated")
	f.role("other", otherPool, "authenticated")
	issuer := f.Issuer()
	ann := f.id(f.as("ann", issuer))
	get := func(role string) (*wire.GetCredentialsForIdentityResponse, error) {
		in := &wire.GetCredentialsForIdentityInput{IdentityID: ann, Logins: f.as("ann", issuer)}
		if role != "" {
			in.CustomRoleARN = p("arn:aws:iam::000000000000:role/" + role)
		}
		return f.GetCredentialsForIdentity(t.Context(), in)
	}
	_, err := get("")
	f.refused("none chosen", err, wire.InvalidIdentityPoolConfigurationException)
	if err != nil && (!strings.Contains(err.Error(), "role/one") || !strings.Contains(err.Error(), "role/two")) {
		t.Errorf("the roles are not named: %v", err)
	}
	got, err := get("two")
	f.must(got, err)
	_, who, err := f.Access.SecretKey(t.Context(), got.Credentials.AccessKeyID, got.Credentials.SessionToken)
	f.must(who, err)
	if arn := who.(*access.Principal).ARN; arn != "arn:aws:sts::000000000000:assumed-role/two/CognitoIdentityCredentials" {
		t.Errorf("got %s", arn)
	}
	_, err = get("other")
	f.refused("a role of another pool", err, wire.NotAuthorizedException)
	_, err = get("missing")
	f.refused("no role", err, wire.NotAuthorizedException)
}

func TestLoginsThatAreRefused(t *testing.T) {
	f := newFixture(t)
	f.role("users", pool, "authenticated")
	f.role("guests", pool, "unauthenticated")
	issuer, other, stranger := f.Issuer(), f.Issuer(), oidctest.Start(t)
	guest := f.id(nil)
	own, err := f.GetOpenIdToken(t.Context(), &wire.GetOpenIdTokenInput{IdentityID: guest})
	f.must(own, err)
	for name, logins := range map[string]map[string]string{
		"no token":           {issuer.Provider(): "x"},
		"of a stranger":      f.as("ann", stranger),
		"of another issuer":  {issuer.Provider(): other.Token(f.now, nil)},
		"expired":            {issuer.Provider(): issuer.Token(f.now.Add(-2*time.Hour), nil)},
		"for another client": {issuer.Provider(): issuer.Token(f.now, map[string]any{"aud": "client-2"})},
		"with the scheme":    {issuer.URL: issuer.Token(f.now, nil)},
		"of the pools' own":  {sts.Cognito: own.Token},
		"one good, one not":  {issuer.Provider(): issuer.Token(f.now, nil), other.Provider(): "x"},
	} {
		_, err := f.GetId(t.Context(), &wire.GetIdInput{IdentityPoolID: pool, Logins: logins})
		f.refused(name, err, wire.NotAuthorizedException)
	}
	silent := f.Issuer()
	silent.Serve = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true }
	_, err = f.GetId(t.Context(), &wire.GetIdInput{IdentityPoolID: pool, Logins: f.as("ann", silent)})
	f.refused("an issuer that fails", err, wire.ExternalServiceException)
	_, err = f.credentials("us-east-1:0", nil)
	f.refused("no identity", err, wire.ResourceNotFoundException)
	if n := f.identities(); n != 1 {
		t.Errorf("%d identities are stored", n)
	}
}

func TestGuestsAreMadeAtABoundedRate(t *testing.T) {
	f := newFixture(t)
	f.role("guests", pool, "unauthenticated")
	f.role("users", pool, "authenticated")
	made := func() (n int) {
		for range 30 {
			_, err := f.GetId(t.Context(), &wire.GetIdInput{IdentityPoolID: pool})
			if err != nil {
				f.refused("too many", err, wire.TooManyRequestsException)
				return n
			}
			n++
		}
		return n
	}
	if n := made(); n != 10 {
		t.Errorf("%d at once, want twice the rate", n)
	}
	f.id(f.as("ann", f.Issuer())) // logins are not bounded
	f.now = f.now.Add(time.Second)
	if n := made(); n != 5 {
		t.Errorf("%d in a second", n)
	}
}

func TestTokenForAssumeRole(t *testing.T) {
	f := newFixture(t)
	f.role("guests", pool, "unauthenticated")
	f.role("users", pool, "authenticated")
	issuer := f.Issuer()
	ann := f.id(f.as("ann", issuer))
	token, err := f.GetOpenIdToken(t.Context(), &wire.GetOpenIdTokenInput{IdentityID: ann, Logins: f.as("ann", issuer)})
	if err != nil {
		t.Fatal(err)
	}
	assume := func(role string) (*stsapi.AssumeRoleWithWebIdentityResponse, error) {
		return f.STS.AssumeRoleWithWebIdentity(t.Context(), &stsapi.AssumeRoleWithWebIdentityRequest{
			RoleARN: "arn:aws:iam::000000000000:role/" + role, RoleSessionName: "s1", WebIdentityToken: token.Token,
		})
	}
	got, err := assume("users")
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Credentials; !f.maySend(c.AccessKeyID, c.SessionToken, ann) || f.maySend(c.AccessKeyID, c.SessionToken, "bob") {
		t.Error("the identity does not decide as whom the session acts")
	}
	if _, err = assume("guests"); fmt.Sprint(err) != "AccessDeniedException: Not authorized to perform sts:AssumeRoleWithWebIdentity" {
		t.Errorf("as a guest: %v", err)
	}
	f.now = f.now.Add(cognito.TokenLife + 5*time.Minute)
	if _, err = assume("users"); err == nil {
		t.Error("an expired token is accepted")
	}
}

func p[T any](v T) *T { return &v }
