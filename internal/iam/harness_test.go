package iam_test

import (
	"context"
	"errors"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam"
	"github.com/carillon-chat/carillon/internal/keyring"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// Documents of every kind.
const (
	trustAll   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole"}]}`
	chimeOnly  = `{"Version":"2012-10-17","Statement":[{"Sid":"Chime","Effect":"Allow","Action":"chime:*","Resource":"*"}]}`
	noDeleting = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"chime:Delete*","Resource":"*"}}`
)

const (
	account0    = "arn:aws:iam::000000000000:"
	chimeAccess = "arn:aws:iam::aws:policy/AmazonChimeFullAccess"
	adminAccess = "arn:aws:iam::aws:policy/AdministratorAccess"
)

// world is an account, and who calls it.
type world struct {
	t       *testing.T
	store   store.Store
	keys    *keyring.Keyring
	now     time.Time
	caller  iam.Caller
	changes int // how often the service told of a change
	ops     map[string]api.Operation
}

func newWorld(t *testing.T) *world { return newLimited(t, iam.Limits{}) }

func newLimited(t *testing.T, limits iam.Limits) *world {
	t.Helper()
	st := memstore.New()
	t.Cleanup(func() { st.Close() })
	w := &world{t: t, store: st, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), ops: map[string]api.Operation{}}
	now := func() time.Time { return w.now }
	random := rand.New(rand.NewSource(1))
	var err error
	if w.keys, err = keyring.Open(t.Context(), keyring.Options{Store: st, RootSecret: "root-secret", Now: now, Random: random}); err != nil {
		t.Fatal(err)
	}
	s := iam.New(iam.Options{
		Store: st, Site: chime.Site{Region: "us-east-1", Account: "000000000000"}, Keyring: w.keys, Limits: limits,
		Caller: func(context.Context) iam.Caller { return w.caller }, Changed: func() { w.changes++ }, Now: now, Random: random,
	})
	for _, op := range iamapi.Operations(s) {
		w.ops[op.Name] = op
	}
	return w
}

// do runs the operation that the request is of. Whatever it answers must be declared.
func (w *world) do(req api.Request) (api.Response, error) {
	w.t.Helper()
	name := strings.TrimSuffix(reflect.TypeOf(req).Elem().Name(), "Request")
	op, ok := w.ops[name]
	if !ok {
		w.t.Fatalf("there is no operation %s", name)
	}
	if err := req.Validate(); err != nil {
		w.t.Fatalf("%s: the request of the test is not valid: %v", name, err)
	}
	resp, err := op.Call(w.t.Context(), req)
	if e, ok := errors.AsType[*api.Error](err); err != nil && (!ok || !op.Declares(e.Type) && e.Type != api.ValidationError.Type) {
		w.t.Errorf("%s answers an error that it does not declare: %v", name, err)
	}
	return resp, err
}

// ok runs an operation that must succeed.
func (w *world) ok(req api.Request) api.Response {
	w.t.Helper()
	resp, err := w.do(req)
	if err != nil {
		w.t.Fatalf("%T: %v", req, err)
	}
	return resp
}

// refused runs an operation that must answer the error, its suffix left out.
func (w *world) refused(req api.Request, want string) {
	w.t.Helper()
	before := w.position()
	_, err := w.do(req)
	e, _ := errors.AsType[*api.Error](err)
	if e == nil || strings.TrimSuffix(e.Type, "Exception") != want {
		w.t.Errorf("%T: %v, want %s", req, err, want)
	}
	if w.position() != before {
		w.t.Errorf("%T: a refused call left an event", req)
	}
}

func (w *world) position() (p uint64) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), "", func(r store.Reader) (err error) {
		p, err = r.Position()
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// get is ok with the type of the answer.
func get[R api.Response](w *world, req api.Request) R {
	w.t.Helper()
	resp, ok := w.ok(req).(R)
	if !ok {
		w.t.Fatalf("%T is answered otherwise", req)
	}
	return resp
}

func p[T any](v T) *T { return &v }

func (w *world) user(name string) *iamapi.User {
	w.t.Helper()
	return get[*iamapi.CreateUserResponse](w, &iamapi.CreateUserRequest{UserName: name}).User
}

func (w *world) role(name string) *iamapi.Role {
	w.t.Helper()
	return get[*iamapi.CreateRoleResponse](w, &iamapi.CreateRoleRequest{RoleName: name, AssumeRolePolicyDocument: trustAll}).Role
}

func (w *world) policy(name string) string {
	w.t.Helper()
	return get[*iamapi.CreatePolicyResponse](w, &iamapi.CreatePolicyRequest{PolicyName: name, PolicyDocument: chimeOnly}).Policy.ARN
}

func (w *world) key(user string) *iamapi.AccessKey {
	w.t.Helper()
	return get[*iamapi.CreateAccessKeyResponse](w, &iamapi.CreateAccessKeyRequest{UserName: &user}).AccessKey
}

// padded is a policy of n characters besides white space.
func padded(n int) string {
	const head, tail = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:*","Resource":"arn:aws:chime:*:*:`, `"}}`
	return head + strings.Repeat("a", n-len(head)-len(tail)) + tail
}

func (w *world) provider(url string) string {
	w.t.Helper()
	return get[*iamapi.CreateOpenIDConnectProviderResponse](w, &iamapi.CreateOpenIDConnectProviderRequest{URL: url}).OpenIDConnectProviderARN
}
