package iam_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api/iam"
)

func cmpText(a, b string) int { return strings.Compare(a, b) }

func TestRole(t *testing.T) {
	w := newWorld(t)
	boundary := w.policy("limit")
	made := get[*iam.CreateRoleResponse](w, &iam.CreateRoleRequest{
		RoleName: "App", Path: p("/chat/"), AssumeRolePolicyDocument: trustAll, Description: p("what it is for"), MaxSessionDuration: p(7200),
		PermissionsBoundary: &boundary, Tags: []iam.Tag{{Key: "k", Value: p("v")}},
	}).Role
	if !regexp.MustCompile(`^AROA[A-Z2-7]{17}$`).MatchString(made.RoleID) {
		t.Errorf("the id is %s", made.RoleID)
	}
	want := &iam.Role{
		RoleName: "App", Path: "/chat/", RoleID: made.RoleID, ARN: account0 + "role/chat/App", CreateDate: w.now,
		AssumeRolePolicyDocument: escapedTrust, Description: "what it is for", MaxSessionDuration: 7200,
		PermissionsBoundary: &iam.AttachedPermissionsBoundary{PermissionsBoundaryType: "PermissionsBoundaryPolicy", PermissionsBoundaryARN: boundary},
		Tags:                []iam.Tag{{Key: "k", Value: p("v")}},
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Error(diff)
	}
	want.RoleLastUsed = &iam.RoleLastUsed{}
	if diff := cmp.Diff(want, get[*iam.GetRoleResponse](w, &iam.GetRoleRequest{RoleName: "app"}).Role); diff != "" {
		t.Error(diff)
	}
	w.refused(&iam.CreateRoleRequest{RoleName: "APP", AssumeRolePolicyDocument: trustAll}, "EntityAlreadyExists")
	w.refused(&iam.CreateRoleRequest{RoleName: "web", AssumeRolePolicyDocument: trustAll, PermissionsBoundary: p(account0 + "policy/none")}, "InvalidInput")
	w.refused(&iam.DeletePolicyRequest{PolicyARN: boundary}, "DeleteConflict")
	w.ok(&iam.DeleteRoleRequest{RoleName: "APP"})
	w.ok(&iam.DeletePolicyRequest{PolicyARN: boundary})
	w.refused(&iam.GetRoleRequest{RoleName: "App"}, "NoSuchEntity")
	w.refused(&iam.DeleteRoleRequest{RoleName: "App"}, "NoSuchEntity")
	again := w.role("App")
	if again.RoleID == made.RoleID || again.MaxSessionDuration != 3600 || again.Path != "/" {
		t.Errorf("the second role is %+v", again)
	}
}

// As RFC 3986 has it: nothing but letters, digits and -._~ stays as it is.
const escapedTrust = `%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22AWS%22%3A` +
	`%22arn%3Aaws%3Aiam%3A%3A000000000000%3Aroot%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D`

func TestDocumentsComeBackEscaped(t *testing.T) {
	w := newWorld(t)
	w.role("app")
	document := "{\n \"Version\": \"2012-10-17\", \"Statement\": {\"Sid\": \"A1\", \"Effect\": \"Allow\", \"Action\": \"chime:*\", \"Resource\": \"*/a+b~c_d.e-f/ü\"}}"
	w.ok(&iam.PutRolePolicyRequest{RoleName: "app", PolicyName: "own", PolicyDocument: document})
	answer := get[*iam.GetRolePolicyResponse](w, &iam.GetRolePolicyRequest{RoleName: "app", PolicyName: "own"}).PolicyDocument
	if strings.ContainsAny(answer, "+* {") || !strings.Contains(answer, "%2A%2Fa%2Bb~c_d.e-f%2F%C3%BC") || !strings.HasPrefix(answer, "%7B%0A%20%22") {
		t.Errorf("the document is answered as %s", answer)
	}
	if plain, err := url.PathUnescape(answer); err != nil || plain != document {
		t.Errorf("it stands for %q, %v", plain, err)
	}
}

func TestUpdateRole(t *testing.T) {
	w := newWorld(t)
	w.role("app")
	w.ok(&iam.UpdateRoleRequest{RoleName: "app", MaxSessionDuration: p(43200)})
	w.ok(&iam.UpdateRoleRequest{RoleName: "APP", Description: p("new")})
	w.ok(&iam.UpdateAssumeRolePolicyRequest{RoleName: "app", PolicyDocument: strings.Replace(trustAll, "AssumeRole", "*", 1)})
	role := get[*iam.GetRoleResponse](w, &iam.GetRoleRequest{RoleName: "app"}).Role
	if role.RoleName != "app" || role.MaxSessionDuration != 43200 || role.Description != "new" || !strings.Contains(role.AssumeRolePolicyDocument, "sts%3A%2A") {
		t.Errorf("the role is %+v", role)
	}
	w.ok(&iam.UpdateRoleRequest{RoleName: "app", Description: p("")})
	if role = get[*iam.GetRoleResponse](w, &iam.GetRoleRequest{RoleName: "app"}).Role; role.Description != "" {
		t.Error("the description cannot be removed")
	}
	w.refused(&iam.UpdateRoleRequest{RoleName: "none"}, "NoSuchEntity")
	w.refused(&iam.UpdateAssumeRolePolicyRequest{RoleName: "none", PolicyDocument: trustAll}, "NoSuchEntity")
}

// A trust policy says who, an identity policy on what; neither is taken for the other.
func TestTrustPoliciesAreChecked(t *testing.T) {
	w := newWorld(t)
	w.role("app")
	for _, document := range []string{"{", "[]", chimeOnly, strings.Replace(trustAll, "Allow", "Maybe", 1)} {
		w.refused(&iam.CreateRoleRequest{RoleName: "web", AssumeRolePolicyDocument: document}, "MalformedPolicyDocument")
		w.refused(&iam.UpdateAssumeRolePolicyRequest{RoleName: "app", PolicyDocument: document}, "MalformedPolicyDocument")
	}
	long := func(n int) string {
		id := strings.Repeat("a", n-len(trustAll)-len(`"Id":"",`))
		return strings.Replace(trustAll, `{"Version"`, `{"Id":"`+id+`",`+strings.Repeat(" \n", 500)+`"Version"`, 1)
	}
	w.ok(&iam.UpdateAssumeRolePolicyRequest{RoleName: "app", PolicyDocument: long(2048)})
	w.refused(&iam.UpdateAssumeRolePolicyRequest{RoleName: "app", PolicyDocument: long(2049)}, "LimitExceeded")
	w.refused(&iam.CreateRoleRequest{RoleName: "web", AssumeRolePolicyDocument: long(2049)}, "LimitExceeded")
}

func TestRolesThatHaveSomethingStay(t *testing.T) {
	w := newWorld(t)
	w.role("app")
	w.ok(&iam.PutRolePolicyRequest{RoleName: "app", PolicyName: "own", PolicyDocument: chimeOnly})
	w.refused(&iam.DeleteRoleRequest{RoleName: "app"}, "DeleteConflict")
	w.ok(&iam.DeleteRolePolicyRequest{RoleName: "app", PolicyName: "own"})
	w.ok(&iam.AttachRolePolicyRequest{RoleName: "app", PolicyARN: chimeAccess})
	w.refused(&iam.DeleteRoleRequest{RoleName: "app"}, "DeleteConflict")
	w.ok(&iam.DetachRolePolicyRequest{RoleName: "app", PolicyARN: chimeAccess})
	w.ok(&iam.DeleteRoleRequest{RoleName: "app"})
}

func TestRoleTags(t *testing.T) {
	w := newWorld(t)
	w.role("app")
	w.ok(&iam.TagRoleRequest{RoleName: "app", Tags: []iam.Tag{{Key: "zone", Value: p("1")}, {Key: "Team", Value: p("a")}}})
	w.ok(&iam.TagRoleRequest{RoleName: "app", Tags: []iam.Tag{{Key: "team", Value: p("b")}, {Key: "empty", Value: p("")}}})
	want := []iam.Tag{{Key: "empty", Value: p("")}, {Key: "team", Value: p("b")}, {Key: "zone", Value: p("1")}}
	if diff := cmp.Diff(want, get[*iam.ListRoleTagsResponse](w, &iam.ListRoleTagsRequest{RoleName: "app"}).Tags); diff != "" {
		t.Error(diff)
	}
	w.ok(&iam.UntagRoleRequest{RoleName: "app", TagKeys: []string{"ZONE", "empty", "absent"}})
	if tags := get[*iam.GetRoleResponse](w, &iam.GetRoleRequest{RoleName: "app"}).Role.Tags; len(tags) != 1 || tags[0].Key != "team" {
		t.Errorf("tags %+v", tags)
	}
	w.refused(&iam.TagRoleRequest{RoleName: "app", Tags: []iam.Tag{{Key: "aws:x", Value: p("")}}}, "InvalidInput")
	w.refused(&iam.TagRoleRequest{RoleName: "none", Tags: []iam.Tag{{Key: "x", Value: p("")}}}, "NoSuchEntity")
	w.refused(&iam.UntagRoleRequest{RoleName: "none", TagKeys: []string{"x"}}, "NoSuchEntity")
	w.refused(&iam.ListRoleTagsRequest{RoleName: "none"}, "NoSuchEntity")
	var many []iam.Tag
	for i := range 50 {
		many = append(many, iam.Tag{Key: fmt.Sprint("tag", i), Value: p("")})
	}
	w.refused(&iam.TagRoleRequest{RoleName: "app", Tags: many}, "LimitExceeded")
	w.ok(&iam.TagRoleRequest{RoleName: "app", Tags: many[1:]})
}

func TestNoInstanceProfiles(t *testing.T) {
	w := newWorld(t)
	w.role("app")
	if resp := get[*iam.ListInstanceProfilesForRoleResponse](w, &iam.ListInstanceProfilesForRoleRequest{RoleName: "app"}); len(resp.InstanceProfiles) > 0 || resp.IsTruncated {
		t.Errorf("got %+v", resp)
	}
	w.refused(&iam.ListInstanceProfilesForRoleRequest{RoleName: "none"}, "NoSuchEntity")
}
