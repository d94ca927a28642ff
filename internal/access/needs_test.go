package access_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/apitest"
	"github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

var update = flag.Bool("update", false, "rewrite testdata")

const needsHead = `# What each operation needs permission for (spec 2.5).
#
# After the name of an operation comes what the smallest valid request asks IAM: an action on a
# resource, or on either of two. Lines that begin with + are asked for besides when a request has
# every optional member. All of them have to be allowed, and none may be denied.
#
# Requests act as user/me in channel/c, with flow/f, on app-instance/A; the account has the user
# Ann and the role Chat under the path /team/, and the caller is Ann. ARNs of the messaging and
# identity APIs are shown without arn:aws:chime:us-east-1:000000000000:, those of IAM without
# arn:aws:iam::000000000000:.
#
# The test rewrites this file with -update.
`

// names are what the members of a request hold in this test; ARNs are as their operation
// resolves them.
var names = map[string]string{
	"ChimeBearer": app + "/user/me", "ChannelARN": app + "/channel/c", "ChannelFlowARN": app + "/channel-flow/f",
	"AppInstanceARN": app, "AppInstanceAdminARN": app + "/user/admin", "AppInstanceUserARN": app + "/user/u",
	"AppInstanceBotARN": app + "/bot/b", "WebhookARN": app + "/webhook/w", "AppInstanceUserID": "new", "ChannelID": "named", "ResourceARN": app + "/channel/tagged",
	"MemberARN": app + "/user/member", "ChannelModeratorARN": app + "/user/moderator",
	"RoleName": "chat", "UserName": "ann", "PolicyName": "P", "URL": "https://id.example.com/t", "Path": "/new/",
	"PolicyARN": account + "policy/team/P", "OpenIDConnectProviderARN": account + "oidc-provider/id.example.com/t",
	"PolicySourceARN": account + "role/team/Chat", "RoleARN": account + "role/team/Chat",
}

const account = "arn:aws:iam::000000000000:"

func TestWhatEachOperationNeeds(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"*"`, `"*"`), func(r *chime.Role) { r.Path, r.Name = "/team/", "Chat" })
	ann := f.mustVerify(t, f.user(t, "ann", allow(`"*"`, `"*"`)))

	var b strings.Builder
	b.WriteString(needsHead)
	for _, table := range [][]api.Operation{
		messaging.Operations(messaging.Unbuilt{}), identity.Operations(identity.Unbuilt{}),
		sts.Operations(sts.Unbuilt{}), iam.Operations(iam.Unbuilt{}), cognito.Operations(cognito.Unbuilt{}), carillon.Operations(carillon.Unbuilt{}),
	} {
		service, err := apitest.Load(table[0].Service)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n%s\n", table[0].Service)
		if !slices.ContainsFunc(table, func(op api.Operation) bool { return !op.Unsigned }) {
			b.WriteString("  every operation is open: no credentials are looked at\n")
		}
		slices.SortFunc(table, func(a, b api.Operation) int { return strings.Compare(a.Name, b.Name) })
		for i := range table {
			op := &table[i]
			if op.Unsigned {
				continue
			}
			asked := func(build func(string) (*apitest.Request, error)) []string {
				lines, err := f.Asked(t.Context(), ann, op, request(t, op, build))
				if err != nil {
					t.Errorf("%s: %v", op.Name, err)
				}
				return lines
			}
			least := asked(service.Minimal)
			fmt.Fprintf(&b, "  %s\n", op.Name)
			if least == nil {
				b.WriteString("      nothing: every principal may\n")
			}
			for _, line := range least {
				b.WriteString("      " + short(line) + "\n")
			}
			for _, line := range asked(service.Full) {
				if !slices.Contains(least, line) {
					b.WriteString("    + " + short(line) + "\n")
				}
			}
		}
	}
	file := filepath.Join("testdata", "needs.txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func short(line string) string {
	return strings.NewReplacer("arn:aws:chime:us-east-1:000000000000:", "", account, "").Replace(line)
}

// request makes a request with readable names.
func request(t *testing.T, op *api.Operation, build func(string) (*apitest.Request, error)) api.Request {
	t.Helper()
	r, err := build(op.Name)
	if err != nil {
		t.Fatal(err)
	}
	if _, modelled := r.Members["ChimeBearer"]; op.Bearer && !modelled {
		r.Header.Set("x-amz-chime-bearer", names["ChimeBearer"]) // IAM and the service require it
	}
	req, err := op.Decode(r.Input())
	if err != nil {
		t.Fatalf("%s: %v", op.Name, err)
	}
	v := reflect.ValueOf(req).Elem()
	for i := range v.NumField() {
		name, known := names[v.Type().Field(i).Name]
		switch field := v.Field(i).Addr().Interface().(type) {
		case *string:
			if known && *field != "" {
				*field = name
			}
		case **string:
			if known && *field != nil {
				*field = &name
			}
		}
	}
	switch r := req.(type) { // ARNs of other services
	case *messaging.PutMessagingStreamingConfigurationsRequest:
		r.StreamingConfigurations[0].ResourceARN = "arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-s"
	case *identity.RegisterAppInstanceUserEndpointRequest:
		r.ResourceARN = "arn:aws:mobiletargeting:us-east-1:000000000000:apps/p"
	}
	return req
}

// A call that names no bearer cannot be decided; two models call the bearer optional.
func TestABearerIsRequired(t *testing.T) {
	f := newFixture(t)
	root := f.root(t)
	for name, req := range map[string]api.Request{
		"SearchChannels":               new(messaging.SearchChannelsRequest),
		"PutChannelExpirationSettings": &messaging.PutChannelExpirationSettingsRequest{ChannelARN: app + "/channel/c"},
	} {
		_, err := f.Asked(t.Context(), root, operation("chime", name), req)
		expect(t, err, "BadRequestException", "ChimeBearer")
	}
}

// The path of a user or role is in its ARN and not in the request.
func TestUnknownEntitiesHaveNoPath(t *testing.T) {
	f := newFixture(t)
	f.update(t, func(tx store.Tx) error {
		return store.AccountUsers.Put(tx, store.K("ann"), chime.AccountUser{Name: "Ann", Path: "/deep/path/"})
	})
	name := "ANN"
	for _, test := range []struct {
		req  api.Request
		want string
	}{
		{&iam.GetUserRequest{UserName: &name}, "iam:GetUser on " + account + "user/deep/path/Ann"},
		{&iam.GetRoleRequest{RoleName: "none"}, "iam:GetUser on " + account + "role/none"},
	} {
		if got, err := f.Asked(t.Context(), f.root(t), operation("iam", "GetUser"), test.req); err != nil || got[0] != test.want {
			t.Errorf("%q, %v; want %s", got, err, test.want)
		}
	}
}
