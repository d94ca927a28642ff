package iam_test

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/api/iam"
)

// A trust policy may name whom there is, and accounts.
func TestPrincipalsOfTrustPolicies(t *testing.T) {
	w := newWorld(t)
	w.ok(&iam.CreateUserRequest{UserName: "Ann", Path: p("/team/")})
	w.role("App")
	trusting := func(principal string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":` + principal + `},"Action":"sts:AssumeRole"}}`
	}
	for _, known := range []string{
		`"*"`, `"000000000000"`, `"111111111111"`, `"` + account0 + `root"`, `"arn:aws:iam::111111111111:root"`, `"` + account0 + `user/team/Ann"`,
		`"` + account0 + `role/App"`, `["` + account0 + `user/team/Ann","` + account0 + `user/team/Ann"]`, `"arn:aws:sts::000000000000:assumed-role/App/web"`,
	} {
		w.ok(&iam.UpdateAssumeRolePolicyRequest{RoleName: "App", PolicyDocument: trusting(known)})
	}
	for _, unknown := range []string{
		account0 + "user/Ann", account0 + "user/team/ann", account0 + "user/bob", account0 + "role/app", account0 + "role/team/App", account0 + "role/web",
		account0 + "group/App", account0 + "user", "arn:aws:iam::111111111111:user/team/Ann", "arn:aws:sts::000000000000:assumed-role/app/web",
		"arn:aws:sts::000000000000:assumed-role/App", "arn:aws:sts::000000000000:assumed-role/App/web/x", "arn:aws:sts::000000000000:federated-user/Ann",
	} {
		for _, req := range []iam.UpdateAssumeRolePolicyRequest{
			{RoleName: "App", PolicyDocument: trusting(`"` + unknown + `"`)}, {RoleName: "App", PolicyDocument: trusting(`["*","` + unknown + `"]`)},
		} {
			w.refused(&req, "MalformedPolicyDocument")
		}
		w.refused(&iam.CreateRoleRequest{RoleName: "web", AssumeRolePolicyDocument: trusting(`"` + unknown + `"`)}, "MalformedPolicyDocument")
	}
	_, err := w.do(&iam.CreateRoleRequest{RoleName: "self", AssumeRolePolicyDocument: trusting(`"` + account0 + `role/self"`)})
	if want := `MalformedPolicyDocumentException: Invalid principal in policy: "AWS":"` + account0 + `role/self"`; err == nil || err.Error() != want {
		t.Errorf("a role that names itself: %v, want %s", err, want)
	}
}
