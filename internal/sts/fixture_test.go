package sts_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	accountID = "000000000000"
	roleARN   = "arn:aws:iam::000000000000:role/app"
)

// fixture is an account with its STS. Calls go through IAM as they do behind the transport.
type fixture struct {
	*servicetest.Federation
	t     *testing.T
	now   time.Time
	table []api.Operation
	from  access.Source
}

// keys are credentials of a caller.
type keys struct{ id, token string }

var root = keys{id: servicetest.RootAccessKeyID}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)}
	f.Federation = servicetest.NewFederation(t, func() time.Time { return f.now })
	f.table = append(wire.Operations(f.STS), append(iam.Operations(f.Account), messaging.Operations(messaging.Unbuilt{})...)...)
	return f
}

// call makes a call as somebody; an unsigned operation needs nobody.
func (f *fixture) call(by keys, name string, req api.Request) (api.Response, error) {
	f.t.Helper()
	for i := range f.table {
		op := &f.table[i]
		if op.Name != name {
			continue
		}
		ctx := access.WithCaller(f.t.Context(), nil, f.from)
		if !op.Unsigned {
			_, found, err := f.Access.SecretKey(ctx, by.id, by.token)
			if err != nil {
				return nil, err
			}
			p := found.(*access.Principal)
			if err := f.Access.Authorize(ctx, p, op, req, f.from); err != nil {
				return nil, err
			}
			ctx = access.WithCaller(ctx, p, f.from)
		}
		return op.Call(ctx, req)
	}
	f.t.Fatalf("no operation %s", name)
	return nil, nil
}

// assume assumes the role, which must succeed.
func (f *fixture) assume(by keys, change ...func(*wire.AssumeRoleRequest)) (*wire.AssumeRoleResponse, keys) {
	f.t.Helper()
	resp, err := f.tryAssume(by, change...)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp, keysOf(resp.Credentials)
}

func (f *fixture) tryAssume(by keys, change ...func(*wire.AssumeRoleRequest)) (*wire.AssumeRoleResponse, error) {
	f.t.Helper()
	req := &wire.AssumeRoleRequest{RoleARN: roleARN, RoleSessionName: "s1"}
	for _, apply := range change {
		apply(req)
	}
	resp, err := f.call(by, "AssumeRole", req)
	if err != nil {
		return nil, err
	}
	return resp.(*wire.AssumeRoleResponse), nil
}

func keysOf(c *wire.Credentials) keys { return keys{c.AccessKeyID, c.SessionToken} }

// mayConnect reports whether the caller may act as the user.
func (f *fixture) maySend(by keys, user, channel string) bool {
	f.t.Helper()
	const app = "arn:aws:chime:us-east-1:000000000000:app-instance/A"
	_, err := f.call(by, "SendChannelMessage", &messaging.SendChannelMessageRequest{ChimeBearer: app + "/user/" + user, ChannelARN: app + "/channel/" + channel})
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Type != "ServiceUnavailableException" && e.Type != "AccessDeniedException" {
		f.t.Fatalf("got %v", err)
	}
	return e.Type == "ServiceUnavailableException" // IAM let it through
}

// role makes a role that is trusted as the document says and may do everything.
func (f *fixture) role(trust string, change ...func(*iam.CreateRoleRequest)) {
	f.t.Helper()
	req := &iam.CreateRoleRequest{RoleName: "app", AssumeRolePolicyDocument: trust}
	for _, apply := range change {
		apply(req)
	}
	f.must(f.Account.CreateRole(context.Background(), req))
	f.must(f.Account.PutRolePolicy(context.Background(), &iam.PutRolePolicyRequest{
		RoleName: req.RoleName, PolicyName: "all", PolicyDocument: document("Allow", "*", "*"),
	}))
}

// user makes a user with a key, who may do what the policies say.
func (f *fixture) user(name string, policies ...string) keys {
	f.t.Helper()
	f.must(f.Account.CreateUser(context.Background(), &iam.CreateUserRequest{UserName: name, Tags: []iam.Tag{{Key: "Team", Value: p("blue")}}}))
	for i, policy := range policies {
		f.must(f.Account.PutUserPolicy(context.Background(), &iam.PutUserPolicyRequest{UserName: name, PolicyName: fmt.Sprint("p", i), PolicyDocument: policy}))
	}
	made, err := f.Account.CreateAccessKey(context.Background(), &iam.CreateAccessKeyRequest{UserName: &name})
	f.must(made, err)
	return keys{id: made.AccessKey.AccessKeyID}
}

// limit gives a user a permissions boundary.
func (f *fixture) limit(name, policyARN string) {
	f.t.Helper()
	f.must(nil, f.Store.Update(f.t.Context(), "", func(tx store.Tx) error {
		u, _, err := store.AccountUsers.Get(tx, store.K(name))
		if err != nil {
			return err
		}
		u.Boundary = policyARN
		return store.AccountUsers.Put(tx, store.K(name), u)
	}))
	f.Access.Forget()
}

func (f *fixture) must(_ any, err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// refused checks the code of an answer as it is on the wire.
func (f *fixture) refused(what string, err error, code string) {
	f.t.Helper()
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != code {
		f.t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func document(effect, action, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":%q,"Action":%q,"Resource":%q}}`, effect, action, resource)
}

// trust is a trust policy of one statement for sts:AssumeRole and sts:TagSession.
func trust(principal, condition string) string {
	if condition != "" {
		condition = `,"Condition":{` + condition + `}`
	}
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{` + principal +
		`},"Action":["sts:AssumeRole","sts:TagSession","sts:AssumeRoleWithWebIdentity"]` + condition + `}}`
}

const byAccount = `"AWS":"000000000000"`

func p[T any](v T) *T { return &v }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
