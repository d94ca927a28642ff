package iam_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api/iam"
)

// lines writes the results of a simulation as text: action, resource, decision, the deciding
// statement with its place, what the boundary says, and what was missing.
func lines(resp *iam.SimulatePolicyResponse) string {
	var out []string
	for _, r := range resp.EvaluationResults {
		line := fmt.Sprintf("%s %s %s", r.EvalActionName, r.EvalResourceName, r.EvalDecision)
		for _, by := range r.MatchedStatements {
			line += fmt.Sprintf(" by %s (%s) %d:%d-%d:%d", by.SourcePolicyID, by.SourcePolicyType,
				by.StartPosition.Line, by.StartPosition.Column, by.EndPosition.Line, by.EndPosition.Column)
		}
		if b := r.PermissionsBoundaryDecisionDetail; b != nil {
			line += fmt.Sprintf(" boundary %v", b.AllowedByPermissionsBoundary)
		}
		if len(r.MissingContextValues) > 0 {
			line += " missing " + strings.Join(r.MissingContextValues, ",")
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

const conditional = `{"Version":"2012-10-17","Statement":
 {"Effect":"Allow","Action":"chime:Connect","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/Team":"chat"}}}}`

func TestSimulateCustomPolicy(t *testing.T) {
	w := newWorld(t)
	team := func(values ...string) []iam.ContextEntry {
		return []iam.ContextEntry{{ContextKeyName: p("AWS:PrincipalTag/team"), ContextKeyValues: values, ContextKeyType: iam.ContextKeyTypeEnumString}}
	}
	for _, tc := range []struct {
		name string
		req  iam.SimulateCustomPolicyRequest
		want string
	}{
		{"allowed", iam.SimulateCustomPolicyRequest{PolicyInputList: []string{chimeOnly}, ActionNames: []string{"chime:Connect"}},
			"chime:Connect * allowed by PolicyInputList.1 (none) 1:38-1:104"},
		{"denied", iam.SimulateCustomPolicyRequest{PolicyInputList: []string{chimeOnly, noDeleting}, ActionNames: []string{"chime:DeleteChannel"}},
			"chime:DeleteChannel * explicitDeny by PolicyInputList.2 (none) 1:37-1:94"},
		{"not allowed", iam.SimulateCustomPolicyRequest{PolicyInputList: []string{chimeOnly}, ActionNames: []string{"iam:GetUser"}},
			"iam:GetUser * implicitDeny"},
		{"pairs", iam.SimulateCustomPolicyRequest{PolicyInputList: []string{noDeleting}, ActionNames: []string{"a:b", "c:d"}, ResourceARNs: []string{"arn:1", "arn:2"}},
			"a:b arn:1 implicitDeny\na:b arn:2 implicitDeny\nc:d arn:1 implicitDeny\nc:d arn:2 implicitDeny"},
		{"boundary refuses", iam.SimulateCustomPolicyRequest{PolicyInputList: []string{chimeOnly}, PermissionsBoundaryPolicyInputList: []string{conditional}, ActionNames: []string{"chime:Connect"}},
			"chime:Connect * implicitDeny boundary false missing aws:principaltag/team"},
		{"boundary allows", iam.SimulateCustomPolicyRequest{PolicyInputList: []string{chimeOnly}, PermissionsBoundaryPolicyInputList: []string{conditional}, ActionNames: []string{"chime:Connect"}, ContextEntries: team("chat")},
			"chime:Connect * allowed by PolicyInputList.1 (none) 1:38-1:104 boundary true"},
		{"context", iam.SimulateCustomPolicyRequest{PolicyInputList: []string{conditional}, ActionNames: []string{"chime:Connect"}, ContextEntries: team("chat")},
			"chime:Connect * allowed by PolicyInputList.1 (none) 2:2-2:122"},
		{"other context", iam.SimulateCustomPolicyRequest{PolicyInputList: []string{conditional}, ActionNames: []string{"chime:Connect"}, ContextEntries: team("mail")},
			"chime:Connect * implicitDeny"},
		{"no context", iam.SimulateCustomPolicyRequest{PolicyInputList: []string{conditional}, ActionNames: []string{"chime:Connect"}},
			"chime:Connect * implicitDeny missing aws:principaltag/team"},
		{"caller", iam.SimulateCustomPolicyRequest{PolicyInputList: []string{strings.Replace(conditional, "aws:PrincipalTag/Team", "aws:PrincipalArn", 1)}, ActionNames: []string{"chime:Connect"}, CallerARN: p("chat")},
			"chime:Connect * allowed by PolicyInputList.1 (none) 2:2-2:117"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lines(get[*iam.SimulatePolicyResponse](w, &tc.req))); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, req := range map[string]iam.SimulateCustomPolicyRequest{
		"document":        {PolicyInputList: []string{"x"}, ActionNames: []string{"a:b"}},
		"boundary":        {PolicyInputList: []string{chimeOnly}, PermissionsBoundaryPolicyInputList: []string{"x"}, ActionNames: []string{"a:b"}},
		"action":          {PolicyInputList: []string{chimeOnly}, ActionNames: []string{"Connect"}},
		"resource policy": {PolicyInputList: []string{chimeOnly}, ActionNames: []string{"a:b"}, ResourcePolicy: p(chimeOnly)},
		"context key":     {PolicyInputList: []string{chimeOnly}, ActionNames: []string{"a:b"}, ContextEntries: []iam.ContextEntry{{}}},
	} {
		t.Run(name, func(*testing.T) { w.refused(&req, "InvalidInput") })
	}
}

// What limits a user or role now is what decides, with the condition keys that it has.
func TestSimulatePrincipalPolicy(t *testing.T) {
	w := newWorld(t)
	own := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:Connect","Resource":"arn:*:user/${aws:username}","Condition":{` +
		`"StringEquals":{"aws:PrincipalTag/Team":"chat","aws:PrincipalAccount":"000000000000"},"DateLessThan":{"aws:CurrentTime":"2026-12-01T00:00:00Z"}}}}`
	ann := get[*iam.CreateUserResponse](w, &iam.CreateUserRequest{UserName: "Ann", Path: p("/team/"), Tags: []iam.Tag{{Key: "team", Value: p("chat")}}}).User
	w.ok(&iam.PutUserPolicyRequest{UserName: "ann", PolicyName: "own", PolicyDocument: own})
	boundary := w.policy("limit")
	w.ok(&iam.CreateRoleRequest{RoleName: "app", AssumeRolePolicyDocument: trustAll, PermissionsBoundary: &boundary})
	w.ok(&iam.AttachRolePolicyRequest{RoleName: "app", PolicyARN: adminAccess})
	deny := get[*iam.CreatePolicyResponse](w, &iam.CreatePolicyRequest{PolicyName: "deny", PolicyDocument: noDeleting}).Policy.ARN
	w.ok(&iam.AttachRolePolicyRequest{RoleName: "app", PolicyARN: deny})

	simulate := func(arn, resource string, input []string, actions ...string) string {
		t.Helper()
		return lines(get[*iam.SimulatePolicyResponse](w, &iam.SimulatePrincipalPolicyRequest{
			PolicySourceARN: arn, ActionNames: actions, ResourceARNs: []string{resource}, PolicyInputList: input,
		}))
	}
	end := fmt.Sprint("1:", len(own)) // the place after the statement
	for _, tc := range []struct{ got, want string }{
		{simulate(ann.ARN, "arn:aws:user/Ann", nil, "chime:Connect"), "chime:Connect arn:aws:user/Ann allowed by user_Ann_own (user) 1:37-" + end},
		{simulate(ann.ARN, "arn:aws:user/Bob", nil, "chime:Connect"), "chime:Connect arn:aws:user/Bob implicitDeny"},
		{simulate(ann.ARN, "arn:aws:user/Ann", []string{noDeleting}, "chime:DeleteChannel"),
			"chime:DeleteChannel arn:aws:user/Ann explicitDeny by PolicyInputList.1 (none) 1:37-1:94"},
		{simulate(account0+"role/app", "*", nil, "chime:Connect", "chime:DeleteChannel", "iam:GetUser"),
			"chime:Connect * allowed by " + adminAccess + " (aws-managed) 1:38-1:84 boundary true\n" +
				"chime:DeleteChannel * explicitDeny by " + deny + " (user-managed) 1:37-1:94 boundary true\n" +
				"iam:GetUser * implicitDeny boundary false"},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Error(diff)
		}
	}
	// A boundary of the request takes the place of the stored one.
	req := &iam.SimulatePrincipalPolicyRequest{
		PolicySourceARN: account0 + "role/app", ActionNames: []string{"iam:GetUser"},
		PermissionsBoundaryPolicyInputList: []string{strings.Replace(chimeOnly, "chime", "iam", 1)},
	}
	if got := lines(get[*iam.SimulatePolicyResponse](w, req)); !strings.Contains(got, "allowed") {
		t.Error(got)
	}
	for arn, want := range map[string]string{
		account0 + "user/Ann":  "NoSuchEntity", // another path
		account0 + "user/none": "NoSuchEntity",
		account0 + "role/none": "NoSuchEntity",
		account0 + "group/x":   "InvalidInput",
		account0 + "root":      "InvalidInput",
		"arn:aws:sts::000000000000:assumed-role/app/session": "InvalidInput",
		"arn:aws:iam::111111111111:role/app":                 "InvalidInput",
	} {
		w.refused(&iam.SimulatePrincipalPolicyRequest{PolicySourceARN: arn, ActionNames: []string{"a:b"}}, want)
	}
	w.refused(&iam.SimulatePrincipalPolicyRequest{PolicySourceARN: ann.ARN, ActionNames: []string{"a:b"}, PolicyInputList: []string{"x"}}, "InvalidInput")
}
