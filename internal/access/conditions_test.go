package access_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
)

func text(s string) *string { return &s }

// Each condition holds for the request beside it, and its opposite does not.
func TestConditionKeys(t *testing.T) {
	const role, user, rootUser = "role", "user", "root session"
	list := &messaging.ListChannelsRequest{ChimeBearer: app + "/user/ann"}
	tagged := &messaging.CreateChannelRequest{AppInstanceARN: app, ChimeBearer: app + "/user/ann", Tags: []messaging.Tag{{Key: "Cost", Value: "7"}}}
	for _, test := range []struct {
		who, operator, key, value string
		req                       api.Request
	}{
		{role, "ArnEquals", "aws:PrincipalArn", account + "role/team/chat", list},
		{role, "StringEquals", "aws:PrincipalAccount", "000000000000", list},
		{role, "StringEquals", "aws:PrincipalType", "AssumedRole", list},
		{user, "StringEquals", "aws:PrincipalType", "User", list},
		{role, "StringEquals", "aws:PrincipalTag/Team", "red", list},
		{user, "StringEquals", "aws:PrincipalTag/team", "blue", list},
		{user, "StringEquals", "aws:username", "ann", list},
		{role, "Null", "aws:username", "true", list},
		{role, "StringEquals", "aws:userid", "AROAC:web", list},
		{user, "StringEquals", "aws:userid", "AIDAB", list},
		{role, "DateEquals", "aws:CurrentTime", "2026-11-23T09:00:00Z", list},
		{role, "NumericEquals", "aws:EpochTime", "1795424400", list},
		{role, "DateEquals", "aws:TokenIssueTime", "2026-11-23T09:00:00Z", list},
		{user, "Null", "aws:TokenIssueTime", "true", list},
		{role, "Bool", "aws:MultiFactorAuthPresent", "false", list},
		{user, "Null", "aws:MultiFactorAuthPresent", "true", list},
		{role, "IpAddress", "aws:SourceIp", "192.0.2.0/24", list},
		{role, "Bool", "aws:SecureTransport", "true", list},
		{role, "StringLike", "aws:UserAgent", "browser/*", list},
		{role, "StringEquals", "aws:RequestedRegion", "us-east-1", list},
		{role, "StringEquals", "aws:FederatedProvider", "cognito-identity.amazonaws.com", list},
		{role, "StringEquals", "cognito-identity.amazonaws.com:sub", "us-east-1:1", list},
		{role, "ForAnyValue:StringLike", "cognito-identity.amazonaws.com:amr", "authent*", list},
		{role, "StringEquals", "id.example.com/tenant:aud", "app", list},
		{role, "Null", "id.example.com/tenant:sub", "true", list},
		{role, "StringEquals", "aws:RequestTag/cost", "7", tagged},
		{role, "ForAllValues:StringEquals", "aws:TagKeys", "Cost", tagged},
		{role, "Null", "aws:RequestTag/cost", "true", list},
		{role, "StringEquals", "aws:RequestTag/Cost", "7", &identity.CreateAppInstanceRequest{Tags: []identity.Tag{{Key: "Cost", Value: "7"}}}},
		{role, "StringEquals", "aws:RequestTag/Cost", "7", &iam.TagRoleRequest{RoleName: "chat", Tags: []iam.Tag{{Key: "Cost", Value: text("7")}}}},
		{role, "ForAnyValue:StringEquals", "aws:TagKeys", "Cost", &messaging.UntagResourceRequest{ResourceARN: app, TagKeys: []string{"Cost", "x"}}},
		{role, "StringEquals", "iam:PolicyARN", "arn:aws:iam::aws:policy/AdministratorAccess",
			&iam.AttachRolePolicyRequest{RoleName: "chat", PolicyARN: "arn:aws:iam::aws:policy/AdministratorAccess"}},
		{user, "StringEquals", "sts:ExternalId", "x1", &sts.AssumeRoleRequest{RoleARN: account + "role/other", ExternalID: text("x1")}},
		{user, "StringEquals", "sts:RoleSessionName", "s1", &sts.AssumeRoleRequest{RoleARN: account + "role/other", RoleSessionName: "s1"}},
		{role, "StringEquals", "aws:ResourceTag/Room", "blue", &messaging.ListTagsForResourceRequest{ResourceARN: app + "/channel/c"}},
		{role, "StringEquals", "aws:ResourceTag/room", "green", &identity.DescribeAppInstanceRequest{AppInstanceARN: app}},
		{role, "StringEquals", "iam:ResourceTag/Team", "red", &iam.GetRoleRequest{RoleName: "chat"}},
		{role, "Null", "aws:ResourceTag/Room", "true", &messaging.ListTagsForResourceRequest{ResourceARN: app + "/channel/other"}},
	} {
		t.Run(test.who+" "+test.key, func(t *testing.T) {
			f := newFixture(t)
			f.user(t, "ann", allow(`"none:none"`, `"*"`))
			f.role(t, "chat", allow(`"none:none"`, `"*"`), func(r *chime.Role) { r.Path, r.Tags = "/team/", tags("Team", "red") })
			f.update(t, func(tx store.Tx) error {
				ann, _, err := store.AccountUsers.Get(tx, store.K("ann"))
				if err == nil { // a limited user assumes no role that its own policies do not allow
					ann.Boundary = "arn:aws:iam::aws:policy/AdministratorAccess"
					err = store.AccountUsers.Put(tx, store.K("ann"), ann)
				}
				return err
			})
			f.updateApp(t, func(tx store.Tx) error {
				return errors.Join(
					store.Tags.Put(tx, store.K("A").Num(uint64(chime.KindChannel)).Str("c"), tags("Room", "blue")),
					store.Tags.Put(tx, store.K("A").Num(uint64(chime.KindAppInstance)).Str(""), tags("Room", "green")))
			})
			ask := func() error {
				policy := allow(`"*"`, `"*"`, `"Condition":{"`+test.operator+`":{"`+test.key+`":"`+test.value+`"}}`)
				f.inline(t, "user", "ann", "p", policy)
				f.inline(t, "role", "chat", "p", policy)
				var p *access.Principal
				if test.who == user {
					p = f.mustVerify(t, access.Credentials{AccessKeyID: "AKIAann", SecretAccessKey: "secret-of-ann"})
				} else {
					p = f.assume(t, "chat", access.SessionRequest{
						SessionName: "web", Provider: "cognito-identity.amazonaws.com", Claims: map[string][]string{
							"cognito-identity.amazonaws.com:sub": {"us-east-1:1"},
							"cognito-identity.amazonaws.com:amr": {"authenticated", "x"}, "id.example.com/tenant:aud": {"app"},
						}})
				}
				return f.Authorize(t.Context(), p, operationOf(test.req), test.req,
					access.Source{Remote: "192.0.2.7:1234", Secure: true, UserAgent: "browser/1"})
			}
			if err := ask(); err != nil {
				t.Errorf("it does not hold: %v", err)
			}
			test.value = wrongValue(test.operator, test.value)
			expect(t, ask(), "AccessDeniedException")
		})
	}
}

// wrongValue is one that the operator does not take for the same.
func wrongValue(operator, value string) string {
	switch operator {
	case "Null", "Bool":
		return map[string]string{"true": "false", "false": "true"}[value]
	case "NumericEquals":
		return "1"
	case "DateEquals":
		return "2020-01-01T00:00:00Z"
	case "IpAddress":
		return "198.51.100.0/24"
	case "ArnEquals":
		return account + "role/other"
	}
	return "other"
}

// operationOf finds the operation by the type of its request.
func operationOf(req api.Request) *api.Operation {
	kind, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprintf("%T", req), "*"), ".")
	name := strings.TrimSuffix(fmt.Sprintf("%T", req)[len(kind)+2:], "Request")
	service := map[string]string{"messaging": "chime", "identity": "chime"}[kind]
	if service == "" {
		service = kind
	}
	return operation(service, name)
}

// What depends on more than the principal is asked again, however often it was allowed.
func TestOnlySteadyDecisionsAreRemembered(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"chime:ListTagsForResource","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Room":"blue"}}},
		{"Effect":"Allow","Action":"chime:ListChannels","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}},
		{"Effect":"Allow","Action":"chime:SearchChannels","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-11-23T10:00:00Z"}}}]}`)
	p := f.assume(t, "chat", access.SessionRequest{})
	from := access.Source{Remote: "192.0.2.1:1"}
	ask := func(req api.Request) error { return f.Authorize(t.Context(), p, operationOf(req), req, from) }
	setTag := func(value string) { // tags of channels change without a Forget
		err := f.store.Update(t.Context(), "A", func(tx store.Tx) error {
			return store.Tags.Put(tx, store.K("A").Num(uint64(chime.KindChannel)).Str("c"), tags("Room", value))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	setTag("blue")
	requests := []api.Request{
		&messaging.ListTagsForResourceRequest{ResourceARN: app + "/channel/c"},
		&messaging.ListChannelsRequest{ChimeBearer: app + "/user/ann"},
		&messaging.SearchChannelsRequest{ChimeBearer: text(app + "/user/ann")},
	}
	for range 2 {
		for _, r := range requests {
			if err := ask(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	setTag("green")
	from.Remote = "198.51.100.1:1"
	f.now = f.now.Add(2 * time.Hour)
	for _, r := range requests {
		expect(t, ask(r), "AccessDeniedException")
	}
}

// What is remembered of a user's ARN does not hide that its app instance is denied.
func TestADenyIsFoundBesideARememberedDecision(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"chime:*","Resource":"*"},
		{"Effect":"Deny","Action":"chime:TagResource","Resource":"`+app+`"}]}`)
	p := f.assume(t, "chat", access.SessionRequest{})
	create := &identity.CreateAppInstanceUserRequest{AppInstanceARN: app, AppInstanceUserID: "new", Tags: []identity.Tag{{Key: "k"}}}
	tag := &identity.TagResourceRequest{ResourceARN: app + "/user/new", Tags: create.Tags}
	ask := func(req api.Request) error {
		return f.Authorize(t.Context(), p, operationOf(req), req, access.Source{})
	}
	expect(t, ask(create), "AccessDeniedException", "explicit deny")
	if err := ask(tag); err != nil {
		t.Fatal(err)
	}
	expect(t, ask(create), "AccessDeniedException", "explicit deny")
}

// A store that cannot be read refuses nothing and allows nothing: it is a failure of the server.
func TestTagsThatCannotBeReadAreAFailure(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"chime:*","Resource":"*"},
		{"Effect":"Deny","Action":"chime:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Secret":"yes"}}}]}`)
	cause := errors.New("the disk is gone")
	f.Service = servicetest.NewAccess(t, faulty.New(f.store, func(c faulty.Call) error {
		if c.Table == store.Tags.ID {
			return cause
		}
		return nil
	}), f.clock)
	p := f.assume(t, "chat", access.SessionRequest{})
	if err := f.mayList(p); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

func TestExtraConditionsGoFirst(t *testing.T) {
	f := newFixture(t)
	c := f.Conditions(context.Background(), nil, &sts.AssumeRoleRequest{RoleSessionName: "from the request"}, access.Source{})
	c.Extra = map[string][]string{"sts:rolesessionname": {"extra"}, "aws:principaltag/x": {"1"}}
	for key, want := range map[string]string{"sts:rolesessionname": "extra", "aws:principaltag/x": "1", "aws:currenttime": "2026-11-23T09:00:00Z"} {
		if got, found, steady := c.Lookup(key); !found || steady || got[0] != want {
			t.Errorf("%s: %q, %v, %v", key, got, found, steady)
		}
	}
	if _, found, _ := c.Lookup("aws:username"); found {
		t.Error("nobody has a name")
	}
}

// Two principals in one place of the cache do not get each other's decisions.
func TestDecisionsBelongToTheirPrincipal(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"chime:*"`, `"*"`))
	f.role(t, "nobody", allow(`"none:none"`, `"*"`))
	if err := f.mayList(f.assume(t, "chat", access.SessionRequest{})); err != nil {
		t.Fatal(err)
	}
	f.SkipSerials()
	expect(t, f.mayList(f.assume(t, "nobody", access.SessionRequest{})), "AccessDeniedException")
}
