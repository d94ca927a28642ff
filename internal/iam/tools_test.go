package iam_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/iamtools"
)

func TestNoGroups(t *testing.T) {
	w := newWorld(t)
	w.user("ann")
	if resp := get[*iamtools.ListGroupsForUserResponse](w, &iamtools.ListGroupsForUserRequest{UserName: "ann"}); len(resp.Groups) > 0 || resp.IsTruncated {
		t.Errorf("got %+v", resp)
	}
	w.refused(&iamtools.ListGroupsForUserRequest{UserName: "none"}, "NoSuchEntity")
	w.refused(&iamtools.ListGroupsForUserRequest{UserName: "ann", Marker: p("x")}, "ValidationError")
}

func TestRoleDescription(t *testing.T) {
	w := newWorld(t)
	w.role("app")
	answered := get[*iamtools.UpdateRoleDescriptionResponse](w, &iamtools.UpdateRoleDescriptionRequest{RoleName: "APP", Description: p("new")}).Role
	role := get[*iam.GetRoleResponse](w, &iam.GetRoleRequest{RoleName: "app"}).Role
	if role.Description != "new" || answered.Description != "new" || answered.ARN != role.ARN || answered.AssumeRolePolicyDocument != role.AssumeRolePolicyDocument {
		t.Errorf("answered %+v, found %+v", answered, role)
	}
	w.refused(&iamtools.UpdateRoleDescriptionRequest{RoleName: "none", Description: p("")}, "NoSuchEntity")
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
		w.ok(&iamtools.PutUserPermissionsBoundaryRequest{UserName: "Ann", PermissionsBoundary: boundary})
		w.ok(&iamtools.PutRolePermissionsBoundaryRequest{RoleName: "App", PermissionsBoundary: boundary})
		if diff := cmp.Diff([]string{boundary, boundary}, limited()); diff != "" {
			t.Error(diff)
		}
	}
	w.ok(&iam.DeletePolicyRequest{PolicyARN: first})
	w.refused(&iam.DeletePolicyRequest{PolicyARN: second}, "DeleteConflict")
	w.refused(&iamtools.PutUserPermissionsBoundaryRequest{UserName: "ann", PermissionsBoundary: first}, "NoSuchEntity")
	w.refused(&iamtools.PutRolePermissionsBoundaryRequest{RoleName: "app", PermissionsBoundary: first}, "NoSuchEntity")
	if len(limited()) != 2 {
		t.Error("a refused call removed a boundary")
	}
	for range 2 {
		w.ok(&iamtools.DeleteUserPermissionsBoundaryRequest{UserName: "ann"})
		w.ok(&iamtools.DeleteRolePermissionsBoundaryRequest{RoleName: "app"})
	}
	if len(limited()) != 0 {
		t.Error("a boundary stays")
	}
	w.ok(&iam.DeletePolicyRequest{PolicyARN: second})
	for _, req := range []api.Request{
		&iamtools.PutUserPermissionsBoundaryRequest{UserName: "none", PermissionsBoundary: chimeAccess}, &iamtools.DeleteUserPermissionsBoundaryRequest{UserName: "none"},
		&iamtools.PutRolePermissionsBoundaryRequest{RoleName: "none", PermissionsBoundary: chimeAccess}, &iamtools.DeleteRolePermissionsBoundaryRequest{RoleName: "none"},
	} {
		w.refused(req, "NoSuchEntity")
	}
}

// Users, policies and providers are tagged alike.
func TestTags(t *testing.T) {
	for _, tagged := range []struct {
		kind  string
		make  func(w *world) (name string)
		tag   func(name string, tags []iamtools.Tag) api.Request
		untag func(name string, keys ...string) api.Request
		read  func(w *world, name string) []iam.Tag
		none  string
	}{
		{
			"user", func(w *world) string { return w.user("ann").UserName },
			func(name string, tags []iamtools.Tag) api.Request {
				return &iamtools.TagUserRequest{UserName: name, Tags: tags}
			},
			func(name string, keys ...string) api.Request {
				return &iamtools.UntagUserRequest{UserName: name, TagKeys: keys}
			},
			func(w *world, name string) []iam.Tag {
				return get[*iam.GetUserResponse](w, &iam.GetUserRequest{UserName: &name}).User.Tags
			}, "none",
		},
		{
			"policy", func(w *world) string { return w.policy("pol") },
			func(name string, tags []iamtools.Tag) api.Request {
				return &iamtools.TagPolicyRequest{PolicyARN: name, Tags: tags}
			},
			func(name string, keys ...string) api.Request {
				return &iamtools.UntagPolicyRequest{PolicyARN: name, TagKeys: keys}
			},
			func(w *world, name string) []iam.Tag {
				return get[*iam.GetPolicyResponse](w, &iam.GetPolicyRequest{PolicyARN: name}).Policy.Tags
			}, account0 + "policy/none",
		},
		{
			"provider", func(w *world) string { return w.provider("https://a.example") },
			func(name string, tags []iamtools.Tag) api.Request {
				return &iamtools.TagOpenIDConnectProviderRequest{OpenIDConnectProviderARN: name, Tags: tags}
			},
			func(name string, keys ...string) api.Request {
				return &iamtools.UntagOpenIDConnectProviderRequest{OpenIDConnectProviderARN: name, TagKeys: keys}
			},
			func(w *world, name string) []iam.Tag {
				return get[*iam.GetOpenIDConnectProviderResponse](w, &iam.GetOpenIDConnectProviderRequest{OpenIDConnectProviderARN: name}).Tags
			}, account0 + "oidc-provider/none",
		},
	} {
		t.Run(tagged.kind, func(t *testing.T) {
			w := newWorld(t)
			name := tagged.make(w)
			w.ok(tagged.tag(name, []iamtools.Tag{{Key: "zone", Value: p("1")}, {Key: "Team", Value: p("a")}}))
			w.ok(tagged.tag(name, []iamtools.Tag{{Key: "team", Value: p("b")}}))
			if diff := cmp.Diff([]iam.Tag{{Key: "zone", Value: p("1")}, {Key: "team", Value: p("b")}}, tagged.read(w, name)); diff != "" {
				t.Error(diff)
			}
			w.ok(tagged.untag(name, "TEAM", "absent"))
			if diff := cmp.Diff([]iam.Tag{{Key: "zone", Value: p("1")}}, tagged.read(w, name)); diff != "" {
				t.Error(diff)
			}
			var many []iamtools.Tag
			for i := range 50 {
				many = append(many, iamtools.Tag{Key: fmt.Sprint("tag", i), Value: p("")})
			}
			w.refused(tagged.tag(name, many), "LimitExceeded")
			w.refused(tagged.tag(name, []iamtools.Tag{{Key: "aws:x", Value: p("")}}), "InvalidInput")
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
		w.ok(&iamtools.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn, ClientID: "chat"})
	}
	w.ok(&iamtools.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn, ClientID: "web"})
	for range 2 {
		w.ok(&iamtools.RemoveClientIDFromOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn, ClientID: "web"})
	}
	w.ok(&iamtools.UpdateOpenIDConnectProviderThumbprintRequest{OpenIDConnectProviderARN: arn, ThumbprintList: []string{thumbprint("1"), thumbprint("2")}})
	found := get[*iam.GetOpenIDConnectProviderResponse](w, &iam.GetOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn})
	if diff := cmp.Diff([]string{"chat"}, found.ClientIDList) + cmp.Diff([]string{thumbprint("1"), thumbprint("2")}, found.ThumbprintList); diff != "" {
		t.Error(diff)
	}
	var six []string
	for i := range 6 {
		six = append(six, thumbprint(fmt.Sprint(i)))
	}
	w.refused(&iamtools.UpdateOpenIDConnectProviderThumbprintRequest{OpenIDConnectProviderARN: arn, ThumbprintList: six}, "InvalidInput")
	for i := range 99 {
		w.ok(&iamtools.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn, ClientID: fmt.Sprint(i)})
	}
	w.refused(&iamtools.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn, ClientID: "more"}, "LimitExceeded")
	for bad, want := range map[string]string{account0 + "oidc-provider/none": "NoSuchEntity", account0 + "role/a.example": "InvalidInput"} {
		w.refused(&iamtools.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderARN: bad, ClientID: "x"}, want)
		w.refused(&iamtools.RemoveClientIDFromOpenIDConnectProviderRequest{OpenIDConnectProviderARN: bad, ClientID: "x"}, want)
		w.refused(&iamtools.UpdateOpenIDConnectProviderThumbprintRequest{OpenIDConnectProviderARN: bad, ThumbprintList: six[:1]}, want)
	}
}
