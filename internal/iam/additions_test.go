package iam_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
)

func TestNoGroups(t *testing.T) {
	w := newWorld(t)
	w.user("ann")
	if resp := get[*iam.ListGroupsForUserResponse](w, &iam.ListGroupsForUserRequest{UserName: "ann"}); len(resp.Groups) > 0 || resp.IsTruncated {
		t.Errorf("got %+v", resp)
	}
	w.refused(&iam.ListGroupsForUserRequest{UserName: "none"}, "NoSuchEntity")
	w.refused(&iam.ListGroupsForUserRequest{UserName: "ann", Marker: p("x")}, "ValidationError")
}

func TestRoleDescription(t *testing.T) {
	w := newWorld(t)
	w.role("app")
	answered := get[*iam.UpdateRoleDescriptionResponse](w, &iam.UpdateRoleDescriptionRequest{RoleName: "APP", Description: p("new")}).Role
	role := get[*iam.GetRoleResponse](w, &iam.GetRoleRequest{RoleName: "app"}).Role
	if role.Description != "new" || answered.Description != "new" || answered.ARN != role.ARN || answered.AssumeRolePolicyDocument != role.AssumeRolePolicyDocument {
		t.Errorf("answered %+v, found %+v", answered, role)
	}
	w.refused(&iam.UpdateRoleDescriptionRequest{RoleName: "none", Description: p("")}, "NoSuchEntity")
}

// A boundary can be set, exchanged and removed; a policy that limits somebody is not deleted.
func TestBoundaries(t *testing.T) {
	w := newWorld(t)
	w.user("ann")
	w.role("app")
	first, second := w.policy("first"), w.policy("second")
	limited := func() (arns []string) {
		t.Helper()
		for _, b := range []*iam.AttachedPermissionsBoundary{
			get[*iam.GetUserResponse](w, &iam.GetUserRequest{UserName: p("ann")}).User.PermissionsBoundary,
			get[*iam.GetRoleResponse](w, &iam.GetRoleRequest{RoleName: "app"}).Role.PermissionsBoundary,
		} {
			if b != nil {
				arns = append(arns, b.PermissionsBoundaryARN)
			}
		}
		return arns
	}
	for _, boundary := range []string{first, second, second} {
		w.ok(&iam.PutUserPermissionsBoundaryRequest{UserName: "Ann", PermissionsBoundary: boundary})
		w.ok(&iam.PutRolePermissionsBoundaryRequest{RoleName: "App", PermissionsBoundary: boundary})
		if diff := cmp.Diff([]string{boundary, boundary}, limited()); diff != "" {
			t.Error(diff)
		}
	}
	w.ok(&iam.DeletePolicyRequest{PolicyARN: first})
	w.refused(&iam.DeletePolicyRequest{PolicyARN: second}, "DeleteConflict")
	w.refused(&iam.PutUserPermissionsBoundaryRequest{UserName: "ann", PermissionsBoundary: first}, "NoSuchEntity")
	w.refused(&iam.PutRolePermissionsBoundaryRequest{RoleName: "app", PermissionsBoundary: first}, "NoSuchEntity")
	if len(limited()) != 2 {
		t.Error("a refused call removed a boundary")
	}
	for range 2 {
		w.ok(&iam.DeleteUserPermissionsBoundaryRequest{UserName: "ann"})
		w.ok(&iam.DeleteRolePermissionsBoundaryRequest{RoleName: "app"})
	}
	if len(limited()) != 0 {
		t.Error("a boundary stays")
	}
	w.ok(&iam.DeletePolicyRequest{PolicyARN: second})
	for _, req := range []api.Request{
		&iam.PutUserPermissionsBoundaryRequest{UserName: "none", PermissionsBoundary: chimeAccess}, &iam.DeleteUserPermissionsBoundaryRequest{UserName: "none"},
		&iam.PutRolePermissionsBoundaryRequest{RoleName: "none", PermissionsBoundary: chimeAccess}, &iam.DeleteRolePermissionsBoundaryRequest{RoleName: "none"},
	} {
		w.refused(req, "NoSuchEntity")
	}
}

// Users, policies and providers are tagged alike.
func TestTags(t *testing.T) {
	for _, tagged := range []struct {
		kind  string
		make  func(w *world) (name string)
		tag   func(name string, tags []iam.Tag) api.Request
		untag func(name string, keys ...string) api.Request
		read  func(w *world, name string) []iam.Tag
		none  string
	}{
		{
			"user", func(w *world) string { return w.user("ann").UserName },
			func(name string, tags []iam.Tag) api.Request {
				return &iam.TagUserRequest{UserName: name, Tags: tags}
			},
			func(name string, keys ...string) api.Request {
				return &iam.UntagUserRequest{UserName: name, TagKeys: keys}
			},
			func(w *world, name string) []iam.Tag {
				return get[*iam.GetUserResponse](w, &iam.GetUserRequest{UserName: &name}).User.Tags
			}, "none",
		},
		{
			"policy", func(w *world) string { return w.policy("pol") },
			func(name string, tags []iam.Tag) api.Request {
				return &iam.TagPolicyRequest{PolicyARN: name, Tags: tags}
			},
			func(name string, keys ...string) api.Request {
				return &iam.UntagPolicyRequest{PolicyARN: name, TagKeys: keys}
			},
			func(w *world, name string) []iam.Tag {
				return get[*iam.GetPolicyResponse](w, &iam.GetPolicyRequest{PolicyARN: name}).Policy.Tags
			}, account0 + "policy/none",
		},
		{
			"provider", func(w *world) string { return w.provider("https://a.example") },
			func(name string, tags []iam.Tag) api.Request {
				return &iam.TagOpenIDConnectProviderRequest{OpenIDConnectProviderARN: name, Tags: tags}
			},
			func(name string, keys ...string) api.Request {
				return &iam.UntagOpenIDConnectProviderRequest{OpenIDConnectProviderARN: name, TagKeys: keys}
			},
			func(w *world, name string) []iam.Tag {
				return get[*iam.GetOpenIDConnectProviderResponse](w, &iam.GetOpenIDConnectProviderRequest{OpenIDConnectProviderARN: name}).Tags
			}, account0 + "oidc-provider/none",
		},
	} {
		t.Run(tagged.kind, func(t *testing.T) {
			w := newWorld(t)
			name := tagged.make(w)
			w.ok(tagged.tag(name, []iam.Tag{{Key: "zone", Value: p("1")}, {Key: "Team", Value: p("a")}}))
			w.ok(tagged.tag(name, []iam.Tag{{Key: "team", Value: p("b")}}))
			if diff := cmp.Diff([]iam.Tag{{Key: "zone", Value: p("1")}, {Key: "team", Value: p("b")}}, tagged.read(w, name)); diff != "" {
				t.Error(diff)
			}
			w.ok(tagged.untag(name, "TEAM", "absent"))
			if diff := cmp.Diff([]iam.Tag{{Key: "zone", Value: p("1")}}, tagged.read(w, name)); diff != "" {
				t.Error(diff)
			}
			var many []iam.Tag
			for i := range 50 {
				many = append(many, iam.Tag{Key: fmt.Sprint("tag", i), Value: p("")})
			}
			w.refused(tagged.tag(name, many), "LimitExceeded")
			w.refused(tagged.tag(name, []iam.Tag{{Key: "aws:x", Value: p("")}}), "InvalidInput")
			w.refused(tagged.tag(tagged.none, many[:1]), "NoSuchEntity")
			w.refused(tagged.untag(tagged.none, "zone"), "NoSuchEntity")
		})
	}
}

func TestProviderChanges(t *testing.T) {
	w := newWorld(t)
	arn := w.provider("https://a.example")
	thumbprint := func(digit string) string { return strings.Repeat(digit, 40) }
	for range 2 {
		w.ok(&iam.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn, ClientID: "chat"})
	}
	w.ok(&iam.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn, ClientID: "web"})
	for range 2 {
		w.ok(&iam.RemoveClientIDFromOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn, ClientID: "web"})
	}
	w.ok(&iam.UpdateOpenIDConnectProviderThumbprintRequest{OpenIDConnectProviderARN: arn, ThumbprintList: []string{thumbprint("1"), thumbprint("2")}})
	found := get[*iam.GetOpenIDConnectProviderResponse](w, &iam.GetOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn})
	if diff := cmp.Diff([]string{"chat"}, found.ClientIDList) + cmp.Diff([]string{thumbprint("1"), thumbprint("2")}, found.ThumbprintList); diff != "" {
		t.Error(diff)
	}
	var six []string
	for i := range 6 {
		six = append(six, thumbprint(fmt.Sprint(i)))
	}
	w.refused(&iam.UpdateOpenIDConnectProviderThumbprintRequest{OpenIDConnectProviderARN: arn, ThumbprintList: six}, "InvalidInput")
	for i := range 99 {
		w.ok(&iam.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn, ClientID: fmt.Sprint(i)})
	}
	w.refused(&iam.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn, ClientID: "more"}, "LimitExceeded")
	for bad, want := range map[string]string{account0 + "oidc-provider/none": "NoSuchEntity", account0 + "role/a.example": "InvalidInput"} {
		w.refused(&iam.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderARN: bad, ClientID: "x"}, want)
		w.refused(&iam.RemoveClientIDFromOpenIDConnectProviderRequest{OpenIDConnectProviderARN: bad, ClientID: "x"}, want)
		w.refused(&iam.UpdateOpenIDConnectProviderThumbprintRequest{OpenIDConnectProviderARN: bad, ThumbprintList: six[:1]}, want)
	}
}
