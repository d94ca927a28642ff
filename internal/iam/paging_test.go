package iam_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
)

// lister is one list of the API.
type lister struct {
	name string
	req  func(marker *string, maxItems *int) api.Request
	read func(api.Response) (items []string, truncated bool, marker string)
}

// reading turns an answer of one type into names.
func reading[R api.Response, T any](parts func(R) ([]T, bool, string), name func(T) string) func(api.Response) ([]string, bool, string) {
	return func(resp api.Response) (names []string, truncated bool, marker string) {
		list, truncated, marker := parts(resp.(R))
		for _, item := range list {
			names = append(names, name(item))
		}
		return names, truncated, marker
	}
}

func same(s string) string { return s }

func listers(policy string) []lister {
	list := []lister{
		{"users", func(m *string, n *int) api.Request {
			return &iam.ListUsersRequest{PathPrefix: p("/x/"), Marker: m, MaxItems: n}
		},
			reading(func(r *iam.ListUsersResponse) ([]iam.User, bool, string) { return r.Users, r.IsTruncated, r.Marker },
				func(u iam.User) string { return u.UserName })},
		{"roles", func(m *string, n *int) api.Request {
			return &iam.ListRolesRequest{PathPrefix: p("/x/"), Marker: m, MaxItems: n}
		},
			reading(func(r *iam.ListRolesResponse) ([]iam.Role, bool, string) { return r.Roles, r.IsTruncated, r.Marker },
				func(r iam.Role) string { return r.RoleName })},
		{"policies", func(m *string, n *int) api.Request { return &iam.ListPoliciesRequest{Marker: m, MaxItems: n} },
			reading(func(r *iam.ListPoliciesResponse) ([]iam.Policy, bool, string) {
				return r.Policies, r.IsTruncated, r.Marker
			},
				func(p iam.Policy) string { return p.PolicyName })},
		{"versions", func(m *string, n *int) api.Request {
			return &iam.ListPolicyVersionsRequest{PolicyARN: policy, Marker: m, MaxItems: n}
		},
			reading(func(r *iam.ListPolicyVersionsResponse) ([]iam.PolicyVersion, bool, string) {
				return r.Versions, r.IsTruncated, r.Marker
			},
				func(v iam.PolicyVersion) string { return v.VersionID })},
		{"keys", func(m *string, n *int) api.Request {
			return &iam.ListAccessKeysRequest{UserName: p("Ann"), Marker: m, MaxItems: n}
		},
			reading(func(r *iam.ListAccessKeysResponse) ([]iam.AccessKeyMetadata, bool, string) {
				return r.AccessKeyMetadata, r.IsTruncated, r.Marker
			},
				func(k iam.AccessKeyMetadata) string { return k.AccessKeyID })},
		{"tags", func(m *string, n *int) api.Request {
			return &iam.ListRoleTagsRequest{RoleName: "Ann", Marker: m, MaxItems: n}
		},
			reading(func(r *iam.ListRoleTagsResponse) ([]iam.Tag, bool, string) { return r.Tags, r.IsTruncated, r.Marker },
				func(t iam.Tag) string { return t.Key })},
		{"simulation", func(m *string, n *int) api.Request {
			return &iam.SimulateCustomPolicyRequest{PolicyInputList: []string{chimeOnly}, ActionNames: []string{"b:x", "a:x"}, ResourceARNs: []string{"2", "1"}, Marker: m, MaxItems: n}
		}, reading(func(r *iam.SimulatePolicyResponse) ([]iam.EvaluationResult, bool, string) {
			return r.EvaluationResults, r.IsTruncated, r.Marker
		}, func(e iam.EvaluationResult) string { return e.EvalActionName + e.EvalResourceName })},
		{"attached to a user", func(m *string, n *int) api.Request { return owners[0].listed("Ann", nil, m, n) },
			reading(func(r *iam.ListAttachedUserPoliciesResponse) ([]iam.AttachedPolicy, bool, string) {
				return r.AttachedPolicies, r.IsTruncated, r.Marker
			}, func(a iam.AttachedPolicy) string { return a.PolicyName })},
		{"attached to a role", func(m *string, n *int) api.Request { return owners[1].listed("Ann", nil, m, n) },
			reading(func(r *iam.ListAttachedRolePoliciesResponse) ([]iam.AttachedPolicy, bool, string) {
				return r.AttachedPolicies, r.IsTruncated, r.Marker
			}, func(a iam.AttachedPolicy) string { return a.PolicyName })},
		{"inline of a user", func(m *string, n *int) api.Request { return owners[0].list("Ann", m, n) },
			reading(func(r *iam.ListUserPoliciesResponse) ([]string, bool, string) {
				return r.PolicyNames, r.IsTruncated, r.Marker
			}, same)},
		{"inline of a role", func(m *string, n *int) api.Request { return owners[1].list("Ann", m, n) },
			reading(func(r *iam.ListRolePoliciesResponse) ([]string, bool, string) {
				return r.PolicyNames, r.IsTruncated, r.Marker
			}, same)},
	}
	return list
}

// long is a name that begins like others of its length.
func long(n int, end string) string { return strings.Repeat("n", n-len(end)) + end }

// fill makes something for every list: names at their greatest length, in mixed case and out of order.
func fill(w *world) (policy string) {
	w.t.Helper()
	for _, name := range []string{"Ann", "b", long(64, "Z"), long(64, "a")} {
		w.ok(&iam.CreateUserRequest{UserName: name, Path: p("/x/y/")})
		w.ok(&iam.CreateRoleRequest{RoleName: name, Path: p("/x/"), AssumeRolePolicyDocument: trustAll})
	}
	w.user("elsewhere")
	w.role("elsewhere")
	w.key("Ann")
	w.key("Ann")
	var tags []iam.Tag
	for _, end := range []string{"b", "a", "ü"} {
		tags = append(tags, iam.Tag{Key: strings.Repeat("ü", 127) + end, Value: p("")})
	}
	w.ok(&iam.TagRoleRequest{RoleName: "Ann", Tags: tags})
	path := "/" + strings.Repeat("p", 510) + "/"
	for _, end := range []string{"Z", "a", "b"} {
		policy = get[*iam.CreatePolicyResponse](w, &iam.CreatePolicyRequest{PolicyName: long(128, end), Path: &path, PolicyDocument: chimeOnly}).Policy.ARN
		for _, o := range owners {
			w.ok(o.attach("Ann", policy))
			w.ok(o.put("Ann", long(128, end), noDeleting))
		}
	}
	for range 4 {
		w.ok(&iam.CreatePolicyVersionRequest{PolicyARN: policy, PolicyDocument: chimeOnly})
	}
	return policy
}

// sorted are the lists in the order of names without regard to case.
var sorted = []string{"users", "roles", "keys", "attached to a user", "attached to a role"}

// Page by page a list says what it says at once, and its markers are good for it alone.
func TestPaging(t *testing.T) {
	w := newWorld(t)
	all := listers(fill(w))
	markers := map[string]string{}
	for _, l := range all {
		t.Run(l.name, func(t *testing.T) {
			whole, truncated, marker := l.read(w.ok(l.req(nil, nil)))
			if truncated || marker != "" || len(whole) < 2 {
				t.Fatalf("at once: %v, truncated %v, marker %q", whole, truncated, marker)
			}
			if inOrder := slices.IsSortedFunc(whole, func(a, b string) int {
				return strings.Compare(strings.ToLower(a), strings.ToLower(b))
			}); !inOrder && slices.Contains(sorted, l.name) {
				t.Errorf("the order is %v", whole)
			}
			var paged []string
			var next *string
			for range whole {
				items, truncated, marker := l.read(w.ok(l.req(next, p(1))))
				if len(items) != 1 || truncated != (marker != "") {
					t.Fatalf("a page of %d items, truncated %v, marker %q", len(items), truncated, marker)
				}
				paged = append(paged, items...)
				next = nil
				if truncated {
					next = &marker
					markers[l.name] = marker
				}
			}
			if diff := cmp.Diff(whole, paged); diff != "" || next != nil {
				t.Errorf("page by page it is another list: %s", diff)
			}
		})
	}
	for _, l := range all {
		for from, marker := range markers {
			if from != l.name {
				w.refused(l.req(&marker, nil), "ValidationError")
			}
		}
		for _, marker := range []string{"x", "not base64", "AAAAAAAAAAAAAAAAAAAAAAAA"} {
			w.refused(l.req(&marker, nil), "ValidationError")
		}
	}
	w.refused(&iam.ListInstanceProfilesForRoleRequest{RoleName: "Ann", Marker: p("x")}, "ValidationError")
}

// Deleting the item at which a page ended skips and repeats nothing.
func TestPagesAreExact(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.user(fmt.Sprint("user", i))
	}
	first := get[*iam.ListUsersResponse](w, &iam.ListUsersRequest{MaxItems: p(2)})
	w.ok(&iam.DeleteUserRequest{UserName: "user1"})
	w.user("user0a")
	second := get[*iam.ListUsersResponse](w, &iam.ListUsersRequest{Marker: &first.Marker})
	if len(second.Users) != 3 || second.Users[0].UserName != "user2" || second.IsTruncated {
		t.Errorf("the second page is %+v", second)
	}
	w.refused(&iam.ListUsersRequest{Marker: &first.Marker, PathPrefix: p("/x/")}, "ValidationError")
}
