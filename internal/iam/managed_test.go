package iam_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/iam/grants"
)

func TestPolicy(t *testing.T) {
	w := newWorld(t)
	made := get[*iam.CreatePolicyResponse](w, &iam.CreatePolicyRequest{
		PolicyName: "Chat", Path: p("/app/"), PolicyDocument: chimeOnly, Description: p("what it is for"), Tags: []iam.Tag{{Key: "k", Value: p("v")}},
	}).Policy
	if !regexp.MustCompile(`^ANPA[A-Z2-7]{17}$`).MatchString(made.PolicyID) {
		t.Errorf("the id is %s", made.PolicyID)
	}
	want := &iam.Policy{
		PolicyName: "Chat", PolicyID: made.PolicyID, ARN: account0 + "policy/app/Chat", Path: "/app/", DefaultVersionID: "v1", IsAttachable: true,
		CreateDate: &w.now, UpdateDate: &w.now, Tags: []iam.Tag{{Key: "k", Value: p("v")}},
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Error(diff)
	}
	want.Description = "what it is for"
	if diff := cmp.Diff(want, get[*iam.GetPolicyResponse](w, &iam.GetPolicyRequest{PolicyARN: made.ARN}).Policy); diff != "" {
		t.Error(diff)
	}
	w.refused(&iam.CreatePolicyRequest{PolicyName: "chat", PolicyDocument: chimeOnly}, "EntityAlreadyExists")
	w.refused(&iam.CreatePolicyRequest{PolicyName: "bad", PolicyDocument: trustAll}, "MalformedPolicyDocument")
	w.refused(&iam.CreatePolicyRequest{PolicyName: "bad", PolicyDocument: chimeOnly, Tags: []iam.Tag{{Key: "aws:", Value: p("")}}}, "InvalidInput")
	w.ok(&iam.CreatePolicyRequest{PolicyName: "large", PolicyDocument: padded(6144)})
	w.refused(&iam.CreatePolicyRequest{PolicyName: "larger", PolicyDocument: padded(6145)}, "LimitExceeded")
	w.ok(&iam.DeletePolicyRequest{PolicyARN: made.ARN})
	w.refused(&iam.GetPolicyRequest{PolicyARN: made.ARN}, "NoSuchEntity")
}

// A new version is in force when it is said so; numbers go up and never come again.
func TestVersions(t *testing.T) {
	w := newWorld(t)
	arn := w.policy("chat")
	w.now = w.now.Add(time.Minute)
	add := func(inForce bool) *iam.PolicyVersion {
		t.Helper()
		return get[*iam.CreatePolicyVersionResponse](w, &iam.CreatePolicyVersionRequest{PolicyARN: arn, PolicyDocument: noDeleting, SetAsDefault: inForce}).PolicyVersion
	}
	if diff := cmp.Diff(&iam.PolicyVersion{VersionID: "v2", CreateDate: &w.now}, add(false)); diff != "" {
		t.Error(diff)
	}
	list := func() string {
		t.Helper()
		var words []string
		for _, v := range get[*iam.ListPolicyVersionsResponse](w, &iam.ListPolicyVersionsRequest{PolicyARN: arn}).Versions {
			words = append(words, v.VersionID+map[bool]string{true: "*"}[v.IsDefaultVersion]+v.Document)
		}
		return strings.Join(words, " ")
	}
	if got := list(); got != "v2 v1*" {
		t.Errorf("versions %s", got)
	}
	if policy := get[*iam.GetPolicyResponse](w, &iam.GetPolicyRequest{PolicyARN: arn}).Policy; policy.DefaultVersionID != "v1" || !policy.UpdateDate.Equal(w.now) {
		t.Errorf("the policy is %+v", policy)
	}
	if v := add(true); !v.IsDefaultVersion {
		t.Error("the version is not in force")
	}
	add(false)
	add(false)
	w.refused(&iam.CreatePolicyVersionRequest{PolicyARN: arn, PolicyDocument: noDeleting}, "LimitExceeded")
	w.ok(&iam.DeletePolicyVersionRequest{PolicyARN: arn, VersionID: "v5"})
	add(false)
	w.ok(&iam.SetDefaultPolicyVersionRequest{PolicyARN: arn, VersionID: "v1"})
	if got := list(); got != "v6 v4 v3 v2 v1*" {
		t.Errorf("versions %s", got)
	}
	version := get[*iam.GetPolicyVersionResponse](w, &iam.GetPolicyVersionRequest{PolicyARN: arn, VersionID: "v2"}).PolicyVersion
	if version.IsDefaultVersion || !strings.Contains(version.Document, "chime%3ADelete%2A") {
		t.Errorf("version %+v", version)
	}
	w.refused(&iam.DeletePolicyVersionRequest{PolicyARN: arn, VersionID: "v1"}, "DeleteConflict")
	w.refused(&iam.DeletePolicyRequest{PolicyARN: arn}, "DeleteConflict")
	w.refused(&iam.CreatePolicyVersionRequest{PolicyARN: arn, PolicyDocument: "x"}, "MalformedPolicyDocument")
	w.refused(&iam.CreatePolicyVersionRequest{PolicyARN: arn, PolicyDocument: padded(6145)}, "LimitExceeded")
	for _, id := range []string{"v5", "v99", "v99999999999999999999"} {
		for _, req := range versionRequests(arn, id)[1:] {
			w.refused(req, "NoSuchEntity")
		}
	}
}

// versionRequests are those about the versions of a policy; the first needs no version.
func versionRequests(arn, id string) []api.Request {
	return []api.Request{
		&iam.ListPolicyVersionsRequest{PolicyARN: arn},
		&iam.GetPolicyVersionRequest{PolicyARN: arn, VersionID: id},
		&iam.SetDefaultPolicyVersionRequest{PolicyARN: arn, VersionID: id},
		&iam.DeletePolicyVersionRequest{PolicyARN: arn, VersionID: id},
	}
}

func TestPoliciesThatAreNotThere(t *testing.T) {
	w := newWorld(t)
	w.policy("chat")
	for arn, want := range map[string]string{
		account0 + "policy/none":                  "NoSuchEntity",
		account0 + "policy/app/chat":              "NoSuchEntity", // another path
		"arn:aws:iam::111111111111:policy/chat":   "NoSuchEntity",
		account0 + "role/chat":                    "InvalidInput",
		"arn:aws:chime:us-east-1:0:policy/chat":   "InvalidInput",
		"a text that is not an ARN of any policy": "InvalidInput",
	} {
		for _, req := range append(versionRequests(arn, "v1"), &iam.GetPolicyRequest{PolicyARN: arn}, &iam.DeletePolicyRequest{PolicyARN: arn},
			&iam.CreatePolicyVersionRequest{PolicyARN: arn, PolicyDocument: chimeOnly}) {
			w.refused(req, want)
		}
	}
}

// What is built in can be read and attached, and not changed.
func TestBuiltInPolicies(t *testing.T) {
	w := newWorld(t)
	policy := get[*iam.GetPolicyResponse](w, &iam.GetPolicyRequest{PolicyARN: chimeAccess}).Policy
	if policy.PolicyName != "AmazonChimeFullAccess" || policy.ARN != chimeAccess || policy.DefaultVersionID != "v1" || !policy.IsAttachable {
		t.Errorf("the policy is %+v", policy)
	}
	version := get[*iam.GetPolicyVersionResponse](w, &iam.GetPolicyVersionRequest{PolicyARN: adminAccess, VersionID: "v1"}).PolicyVersion
	if !strings.Contains(version.Document, "%22%2A%22") {
		t.Errorf("the document is %s", version.Document)
	}
	w.ok(&iam.ListPolicyVersionsRequest{PolicyARN: adminAccess})
	for _, req := range []api.Request{
		&iam.DeletePolicyRequest{PolicyARN: chimeAccess},
		&iam.CreatePolicyVersionRequest{PolicyARN: chimeAccess, PolicyDocument: chimeOnly},
		&iam.SetDefaultPolicyVersionRequest{PolicyARN: chimeAccess, VersionID: "v1"},
		&iam.DeletePolicyVersionRequest{PolicyARN: chimeAccess, VersionID: "v1"},
	} {
		w.refused(req, "InvalidInput")
	}
}

// Templates attach AWS's own policies to the roles of functions, by ARNs that have a path.
func TestPoliciesThatTemplatesAttach(t *testing.T) {
	w := newWorld(t)
	w.role("function")
	const arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
	w.ok(&iam.AttachRolePolicyRequest{RoleName: "function", PolicyARN: arn})
	attached := get[*iam.ListAttachedRolePoliciesResponse](w, &iam.ListAttachedRolePoliciesRequest{RoleName: "function"}).AttachedPolicies
	if len(attached) != 1 || attached[0].PolicyARN != arn || attached[0].PolicyName != "AWSLambdaBasicExecutionRole" {
		t.Errorf("attached: %+v", attached)
	}
	if policy := get[*iam.GetPolicyResponse](w, &iam.GetPolicyRequest{PolicyARN: arn}).Policy; policy.Path != "/service-role/" || policy.AttachmentCount != 1 {
		t.Errorf("the policy is %+v", policy)
	}
	w.refused(&iam.AttachRolePolicyRequest{RoleName: "function", PolicyARN: "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole"}, "NoSuchEntity")
}

func TestListPolicies(t *testing.T) {
	w := newWorld(t)
	w.user("ann")
	attached, limiting := w.policy("b-attached"), w.policy("C-limiting")
	get[*iam.CreatePolicyResponse](w, &iam.CreatePolicyRequest{PolicyName: "a-deep", Path: p("/x/"), PolicyDocument: chimeOnly})
	w.ok(&iam.AttachUserPolicyRequest{UserName: "ann", PolicyARN: attached})
	w.ok(&iam.AttachUserPolicyRequest{UserName: "ann", PolicyARN: chimeAccess})
	w.ok(&iam.CreateUserRequest{UserName: "bob", PermissionsBoundary: &limiting})
	var builtIn []string
	for _, m := range grants.BuiltIn() {
		builtIn = append(builtIn, m.Name)
	}
	ofAWS := strings.Join(builtIn, " ")
	for _, tc := range []struct {
		name string
		req  iam.ListPoliciesRequest
		want string
	}{
		{"all", iam.ListPoliciesRequest{}, ofAWS + " a-deep b-attached C-limiting"},
		{"all by name", iam.ListPoliciesRequest{Scope: iam.PolicyScopeTypeAll}, ofAWS + " a-deep b-attached C-limiting"},
		{"built in", iam.ListPoliciesRequest{Scope: iam.PolicyScopeTypeAws}, ofAWS},
		{"own", iam.ListPoliciesRequest{Scope: iam.PolicyScopeTypeLocal}, "a-deep b-attached C-limiting"},
		{"path", iam.ListPoliciesRequest{PathPrefix: p("/x/")}, "a-deep"},
		{"path of AWS's", iam.ListPoliciesRequest{PathPrefix: p("/service-role/"), MaxItems: p(2)}, "AmazonAPIGatewayPushToCloudWatchLogs AWSLambdaBasicExecutionRole"},
		{"in use", iam.ListPoliciesRequest{OnlyAttached: true}, "AmazonChimeFullAccess b-attached C-limiting"},
		{"attached", iam.ListPoliciesRequest{PolicyUsageFilter: iam.PolicyUsageTypePermissionsPolicy}, "AmazonChimeFullAccess b-attached"},
		{"limiting", iam.ListPoliciesRequest{PolicyUsageFilter: iam.PolicyUsageTypePermissionsBoundary}, "C-limiting"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var names []string
			for _, policy := range get[*iam.ListPoliciesResponse](w, &tc.req).Policies {
				names = append(names, policy.PolicyName)
			}
			if got := strings.Join(names, " "); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	if policy := get[*iam.GetPolicyResponse](w, &iam.GetPolicyRequest{PolicyARN: limiting}).Policy; policy.AttachmentCount != 0 || policy.PermissionsBoundaryUsageCount != 1 {
		t.Errorf("the policy is %+v", policy)
	}
	w.ok(&iam.DeleteUserRequest{UserName: "bob"})
	w.ok(&iam.DeletePolicyRequest{PolicyARN: limiting})
}
