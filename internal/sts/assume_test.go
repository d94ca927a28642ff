package sts_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api/iam"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
)

func TestWhomARoleTrusts(t *testing.T) {
	const ann = "arn:aws:iam::000000000000:user/ann"
	for _, tc := range []struct {
		name, trust string
		root, ann   bool // may assume it
	}{
		{"the account", trust(byAccount, ""), true, true},
		{"the account by its root", trust(`"AWS":"arn:aws:iam::000000000000:root"`, ""), true, true},
		{"another account", trust(`"AWS":"111111111111"`, ""), false, false},
		{"a user", trust(`"AWS":"`+ann+`"`, ""), false, true},
		{"another user", trust(`"AWS":"`+ann+`a"`, ""), false, false},
		{"everybody", trust(`"AWS":"*"`, ""), true, true},
		{"a service", trust(`"Service":"lambda.amazonaws.com"`, ""), false, false},
		{"an issuer", trust(`"Federated":"cognito-identity.amazonaws.com"`, ""), false, false},
		{"a tag of the principal", trust(byAccount, `"StringEquals":{"aws:PrincipalTag/Team":"blue"}`), false, true},
		{"another tag of the principal", trust(byAccount, `"StringEquals":{"aws:PrincipalTag/Team":"red"}`), false, false},
		{"the name of the session", trust(byAccount, `"StringLike":{"sts:RoleSessionName":"s*"}`), true, true},
		{"the user's name as that of the session", trust(byAccount, `"StringEquals":{"sts:RoleSessionName":"${aws:username}"}`), false, false},
		{"the address", trust(byAccount, `"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`), true, true},
		{"another address", trust(byAccount, `"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`), false, false},
		{"an external id", trust(byAccount, `"StringEquals":{"sts:ExternalId":"x-1"}`), false, false},
		{"a tag of the role", trust(byAccount, `"StringEquals":{"aws:ResourceTag/Kind":"chat"}`), true, true},
		{"all but a user", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"},` +
			`{"Effect":"Deny","Principal":{"AWS":"` + ann + `"},"Action":"sts:*"}]}`, true, false},
		{"for another action", strings.ReplaceAll(trust(byAccount, ""), "sts:AssumeRole\"", "sts:GetSessionToken\""), false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			f.from = access.Source{Remote: "192.0.2.7:999"}
			callers := map[string]keys{"root": root, "ann": f.user("ann", document("Allow", "sts:AssumeRole", roleARN))}
			f.user("anna")
			f.role(tc.trust, func(r *iam.CreateRoleRequest) { r.Tags = []iam.Tag{{Key: "Kind", Value: p("chat")}} })
			for who, by := range callers {
				_, err := f.tryAssume(by)
				if allowed := map[string]bool{"root": tc.root, "ann": tc.ann}[who]; allowed != (err == nil) {
					t.Errorf("%s: got %v, allowed should be %v", who, err, allowed)
				} else if err != nil {
					f.refused(who, err, "AccessDenied")
				}
			}
		})
	}
}

func TestExternalID(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, `"StringEquals":{"sts:ExternalId":"x-1"}`))
	with := func(id string) func(*wire.AssumeRoleRequest) {
		return func(r *wire.AssumeRoleRequest) { r.ExternalID = &id }
	}
	f.assume(root, with("x-1"))
	_, err := f.tryAssume(root, with("x-2"))
	f.refused("another id", err, "AccessDenied")
}

// A user needs permission of its own as well, when the role trusts the whole account.
func TestCallerNeedsItsOwnPermission(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, ""))
	for name, tc := range map[string]struct {
		policies []string
		allowed  bool
	}{
		"nothing":           {nil, false},
		"this role":         {[]string{document("Allow", "sts:AssumeRole", roleARN)}, true},
		"another role":      {[]string{document("Allow", "sts:AssumeRole", roleARN+"2")}, false},
		"denied to it":      {[]string{document("Allow", "sts:*", "*"), document("Deny", "sts:AssumeRole", "*")}, false},
		"another action":    {[]string{document("Allow", "sts:GetSessionToken", "*")}, false},
		"everything of sts": {[]string{document("Allow", "sts:*", "*")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.tryAssume(f.user(strings.ReplaceAll(name, " ", "-"), tc.policies...))
			if tc.allowed != (err == nil) {
				t.Errorf("got %v, allowed should be %v", err, tc.allowed)
			}
		})
	}
}

// A role that names the caller needs no permission of the caller's own, as long as nothing denies
// or limits it.
func TestRoleThatNamesTheCaller(t *testing.T) {
	const deny = `{"Effect":"Deny","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}`
	ann := trust(`"AWS":"arn:aws:iam::000000000000:user/ann"`, "")
	for _, tc := range []struct {
		name, trust string
		policies    []string
		boundary    string
		allowed     bool
	}{
		{"by nothing else", ann, nil, "", true},
		{"as everybody", trust(`"AWS":"*"`, ""), nil, "", true},
		{"as one of the account", trust(byAccount, ""), nil, "", false},
		{"but denies the account", strings.Replace(strings.Replace(ann, `"Statement":`, `"Statement":[`, 1), "}}", "},"+deny+"]}", 1), nil, "", false},
		{"who is denied it", ann, []string{document("Deny", "sts:AssumeRole", "*")}, "", false},
		{"who is limited", ann, nil, "arn:aws:iam::aws:policy/AmazonChimeFullAccess", false},
		{"who is limited widely", ann, nil, "arn:aws:iam::aws:policy/AdministratorAccess", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			by := f.user("ann", tc.policies...)
			f.role(tc.trust)
			if tc.boundary != "" {
				f.limit("ann", tc.boundary)
			}
			_, err := f.tryAssume(by)
			if tc.allowed != (err == nil) {
				t.Errorf("got %v, allowed should be %v", err, tc.allowed)
			}
			missing := func(r *wire.AssumeRoleRequest) { r.RoleARN += "-missing" }
			if _, other := f.tryAssume(by, missing); err != nil && fmt.Sprint(err) != strings.Replace(fmt.Sprint(other), "-missing", "", 1) {
				t.Errorf("a missing role is told by %v", other)
			}
		})
	}
}

// Whether a role exists is not told to whom it does not trust.
func TestMissingRoleLooksLikeOneThatDoesNotTrust(t *testing.T) {
	f := newFixture(t)
	f.role(trust(`"AWS":"111111111111"`, ""))
	message := func(arn string) string {
		_, err := f.tryAssume(root, func(r *wire.AssumeRoleRequest) { r.RoleARN = arn })
		f.refused(arn, err, "AccessDenied")
		return strings.ReplaceAll(fmt.Sprint(err), arn, "ARN")
	}
	want := message(roleARN)
	for _, arn := range []string{
		roleARN + "-missing", "arn:aws:iam::000000000000:role/path/app", "arn:aws:iam::111111111111:role/app", "arn:aws:iam::000000000000:role/APP",
	} {
		if got := message(arn); got != want {
			t.Errorf("%s: %s\nwant %s", arn, got, want)
		}
	}
	_, err := f.tryAssume(root, func(r *wire.AssumeRoleRequest) { r.RoleARN = "arn:aws:iam::000000000000:user/app" })
	f.refused("no role", err, "ValidationError")
}

func TestAssumedSession(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, ""))
	resp, session := f.assume(root)
	if got := resp.AssumedRoleUser; got.ARN != "arn:aws:sts::000000000000:assumed-role/app/s1" || !strings.HasPrefix(got.AssumedRoleID, "AROA") ||
		!strings.HasSuffix(got.AssumedRoleID, ":s1") || resp.PackedPolicySize != 0 {
		t.Errorf("got %+v, %d", got, resp.PackedPolicySize)
	}
	if !resp.Credentials.Expiration.Equal(f.now.Add(time.Hour)) {
		t.Errorf("expires at %v", resp.Credentials.Expiration)
	}
	if !f.maySend(session, "ann", "c") {
		t.Error("the session may not do what its role may")
	}
	f.now = f.now.Add(time.Hour)
	if _, err := f.call(session, "GetCallerIdentity", &wire.GetCallerIdentityRequest{}); err == nil {
		t.Error("an expired session is let in")
	}
}

func TestSessionDiesWithItsRole(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, ""))
	_, session := f.assume(root)
	f.must(f.Account.DeleteRolePolicy(context.Background(), &iam.DeleteRolePolicyRequest{RoleName: "app", PolicyName: "all"}))
	if f.maySend(session, "ann", "c") {
		t.Error("the session may do what its role may no longer")
	}
	f.must(f.Account.DeleteRole(context.Background(), &iam.DeleteRoleRequest{RoleName: "app"}))
	f.role(trust(byAccount, ""))
	if _, err := f.call(session, "GetCallerIdentity", &wire.GetCallerIdentityRequest{}); err == nil {
		t.Error("a role of the same name took the session over")
	}
}

func TestDurations(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, ""), func(r *iam.CreateRoleRequest) { r.MaxSessionDuration = p(7200) })
	for_ := func(seconds int) func(*wire.AssumeRoleRequest) {
		return func(r *wire.AssumeRoleRequest) { r.DurationSeconds = &seconds }
	}
	resp, session := f.assume(root, for_(7200))
	if !resp.Credentials.Expiration.Equal(f.now.Add(2 * time.Hour)) {
		t.Errorf("expires at %v", resp.Credentials.Expiration)
	}
	_, err := f.tryAssume(root, for_(7201))
	f.refused("longer than the role allows", err, "ValidationError")

	f.assume(session, for_(3600))
	_, err = f.tryAssume(session, for_(3601))
	f.refused("longer than an hour by chaining", err, "ValidationError")
}

func TestSessionPoliciesNarrow(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, ""))
	send := func(user string) string {
		return document("Allow", "chime:SendChannelMessage", "arn:aws:chime:*:*:app-instance/A/"+user)
	}
	resp, session := f.assume(root, func(r *wire.AssumeRoleRequest) {
		r.Policy = p(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:SendChannelMessage",` +
			`"Resource":["arn:aws:chime:*:*:app-instance/A/user/ann","arn:aws:chime:*:*:app-instance/A/channel/*"]}}`)
	})
	if !f.maySend(session, "ann", "c") || f.maySend(session, "bob", "c") || resp.PackedPolicySize < 1 {
		t.Errorf("the session policy does not narrow, or uses %d%%", resp.PackedPolicySize)
	}

	made, err := f.Account.CreatePolicy(context.Background(), &iam.CreatePolicyRequest{PolicyName: "Ann", PolicyDocument: send("*")})
	f.must(made, err)
	_, managed := f.assume(root, func(r *wire.AssumeRoleRequest) {
		r.PolicyARNs = []wire.PolicyDescriptorType{{ARN: &made.Policy.ARN}}
	})
	if !f.maySend(managed, "bob", "c") {
		t.Error("the managed policy allows nothing")
	}
	f.must(f.Account.CreatePolicyVersion(context.Background(), &iam.CreatePolicyVersionRequest{
		PolicyARN: made.Policy.ARN, PolicyDocument: send("user/ann"), SetAsDefault: true}))
	if f.maySend(managed, "bob", "c") {
		t.Error("the session did not see that the managed policy changed")
	}
	f.must(f.Account.DeletePolicyVersion(context.Background(), &iam.DeletePolicyVersionRequest{PolicyARN: made.Policy.ARN, VersionID: "v1"}))
	f.must(f.Account.DeletePolicy(context.Background(), &iam.DeletePolicyRequest{PolicyARN: made.Policy.ARN}))
	if f.maySend(managed, "ann", "c") {
		t.Error("a deleted session policy allows something")
	}
	f.must(f.Account.CreatePolicy(context.Background(), &iam.CreatePolicyRequest{PolicyName: "Ann", PolicyDocument: send("*")}))
	if f.maySend(managed, "ann", "c") {
		t.Error("another policy of its name stands for a deleted session policy")
	}
}

func TestSessionPoliciesThatAreRefused(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, ""))
	arns := func(list ...string) func(*wire.AssumeRoleRequest) {
		return func(r *wire.AssumeRoleRequest) {
			for _, arn := range list {
				r.PolicyARNs = append(r.PolicyARNs, wire.PolicyDescriptorType{ARN: &arn})
			}
		}
	}
	policy := func(text string) func(*wire.AssumeRoleRequest) {
		return func(r *wire.AssumeRoleRequest) { r.Policy = &text }
	}
	// What does not shrink does not fit.
	large := document("Allow", "chime:Connect", "arn:aws:chime:us-east-1:000000000000:app-instance/"+base64.RawURLEncoding.EncodeToString(random(4000)))
	for name, tc := range map[string]struct {
		change func(*wire.AssumeRoleRequest)
		code   string
	}{
		"no policy":          {policy("{}"), "MalformedPolicyDocument"},
		"with a principal":   {policy(trust(byAccount, "")), "MalformedPolicyDocument"},
		"too large":          {policy(large), "PackedPolicyTooLarge"},
		"missing policy":     {arns("arn:aws:iam::000000000000:policy/missing"), "ValidationError"},
		"of another account": {arns("arn:aws:iam::111111111111:policy/p"), "ValidationError"},
		"without an ARN":     {func(r *wire.AssumeRoleRequest) { r.PolicyARNs = make([]wire.PolicyDescriptorType, 1) }, "ValidationError"},
		"too many":           {arns(strings.Split(strings.Repeat(",arn:aws:iam::aws:policy/AdministratorAccess", 11)[1:], ",")...), "ValidationError"},
	} {
		_, err := f.tryAssume(root, tc.change)
		f.refused(name, err, tc.code)
	}
}

func TestCallsWithWhatDoesNotExist(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, ""))
	_, err := f.tryAssume(root, func(r *wire.AssumeRoleRequest) {
		r.SerialNumber, r.TokenCode = p("arn:aws:iam::000000000000:mfa/x"), p("123456")
	})
	f.refused("a device", err, "AccessDenied")
	_, err = f.tryAssume(root, func(r *wire.AssumeRoleRequest) { r.ProvidedContexts = make([]wire.ProvidedContext, 1) })
	f.refused("a context", err, "ValidationError")
	_, err = f.call(root, "GetSessionToken", &wire.GetSessionTokenRequest{TokenCode: p("123456")})
	f.refused("a device of the root", err, "AccessDenied")
}

func TestSourceIdentity(t *testing.T) {
	f := newFixture(t)
	f.role(strings.Replace(trust(byAccount, `"StringEqualsIfExists":{"sts:SourceIdentity":["ann","bob"]}`), `"sts:TagSession"`, `"sts:SetSourceIdentity"`, 1))
	as := func(name string) func(*wire.AssumeRoleRequest) {
		return func(r *wire.AssumeRoleRequest) { r.SourceIdentity = &name }
	}
	resp, session := f.assume(root, as("ann"))
	if resp.SourceIdentity != "ann" {
		t.Errorf("got %q", resp.SourceIdentity)
	}
	if resp, _ = f.assume(session); resp.SourceIdentity != "ann" {
		t.Errorf("the next session has %q", resp.SourceIdentity)
	}
	_, err := f.tryAssume(session, as("bob"))
	f.refused("another name", err, "AccessDenied")
	_, err = f.tryAssume(root, as("eve"))
	f.refused("a name that the role does not accept", err, "AccessDenied")
	f.must(f.Account.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyRequest{RoleName: "app", PolicyDocument: trust(byAccount, "")}))
	_, err = f.tryAssume(root, as("ann"))
	f.refused("a role that accepts no name", err, "AccessDenied")
}
