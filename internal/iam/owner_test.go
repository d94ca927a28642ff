package iam_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
)

// owner makes the requests about policies of a user or of a role, which are the same but for
// their types.
type owner struct {
	kind   string
	inline int // quota of inline policies
	make   func(w *world, name string)
	put    func(name, policy, document string) api.Request
	get    func(name, policy string) api.Request
	del    func(name, policy string) api.Request
	list   func(name string, marker *string, max *int) api.Request
	attach func(name, arn string) api.Request
	detach func(name, arn string) api.Request
	listed func(name string, prefix, marker *string, max *int) api.Request
}

var owners = []owner{
	{
		kind: "user", inline: 2048,
		make: func(w *world, name string) { w.user(name) },
		put: func(name, policy, document string) api.Request {
			return &iam.PutUserPolicyRequest{UserName: name, PolicyName: policy, PolicyDocument: document}
		},
		get: func(name, policy string) api.Request {
			return &iam.GetUserPolicyRequest{UserName: name, PolicyName: policy}
		},
		del: func(name, policy string) api.Request {
			return &iam.DeleteUserPolicyRequest{UserName: name, PolicyName: policy}
		},
		list: func(name string, marker *string, max *int) api.Request {
			return &iam.ListUserPoliciesRequest{UserName: name, Marker: marker, MaxItems: max}
		},
		attach: func(name, arn string) api.Request {
			return &iam.AttachUserPolicyRequest{UserName: name, PolicyARN: arn}
		},
		detach: func(name, arn string) api.Request {
			return &iam.DetachUserPolicyRequest{UserName: name, PolicyARN: arn}
		},
		listed: func(name string, prefix, marker *string, max *int) api.Request {
			return &iam.ListAttachedUserPoliciesRequest{UserName: name, PathPrefix: prefix, Marker: marker, MaxItems: max}
		},
	},
	{
		kind: "role", inline: 10240,
		make: func(w *world, name string) { w.role(name) },
		put: func(name, policy, document string) api.Request {
			return &iam.PutRolePolicyRequest{RoleName: name, PolicyName: policy, PolicyDocument: document}
		},
		get: func(name, policy string) api.Request {
			return &iam.GetRolePolicyRequest{RoleName: name, PolicyName: policy}
		},
		del: func(name, policy string) api.Request {
			return &iam.DeleteRolePolicyRequest{RoleName: name, PolicyName: policy}
		},
		list: func(name string, marker *string, max *int) api.Request {
			return &iam.ListRolePoliciesRequest{RoleName: name, Marker: marker, MaxItems: max}
		},
		attach: func(name, arn string) api.Request {
			return &iam.AttachRolePolicyRequest{RoleName: name, PolicyARN: arn}
		},
		detach: func(name, arn string) api.Request {
			return &iam.DetachRolePolicyRequest{RoleName: name, PolicyARN: arn}
		},
		listed: func(name string, prefix, marker *string, max *int) api.Request {
			return &iam.ListAttachedRolePoliciesRequest{RoleName: name, PathPrefix: prefix, Marker: marker, MaxItems: max}
		},
	},
}

func eachOwner(t *testing.T, f func(t *testing.T, w *world, o owner)) {
	for _, o := range owners {
		t.Run(o.kind, func(t *testing.T) {
			w := newWorld(t)
			o.make(w, "Ann")
			f(t, w, o)
		})
	}
}

func TestInlinePolicies(t *testing.T) {
	eachOwner(t, func(t *testing.T, w *world, o owner) {
		w.ok(o.put("ann", "own", chimeOnly))
		w.ok(o.put("ann", "Own", noDeleting)) // another: case counts
		w.ok(o.put("ANN", "own", noDeleting)) // replaces the first
		var name, policy, document string
		switch resp := w.ok(o.get("ann", "own")).(type) {
		case *iam.GetUserPolicyResponse:
			name, policy, document = resp.UserName, resp.PolicyName, resp.PolicyDocument
		case *iam.GetRolePolicyResponse:
			name, policy, document = resp.RoleName, resp.PolicyName, resp.PolicyDocument
		}
		if name != "Ann" || policy != "own" || !strings.Contains(document, "chime%3ADelete%2A") {
			t.Errorf("got %s, %s, %s", name, policy, document)
		}
		w.ok(o.del("ann", "own"))
		for _, missing := range []api.Request{
			o.get("ann", "own"), o.del("ann", "own"), o.get("none", "Own"), o.del("none", "Own"), o.put("none", "own", chimeOnly), o.list("none", nil, nil),
		} {
			w.refused(missing, "NoSuchEntity")
		}
		w.ok(o.get("ann", "Own"))
		for _, document := range []string{"x", trustAll, strings.Replace(chimeOnly, "2012-10-17", "2013-10-17", 1)} {
			w.refused(o.put("ann", "bad", document), "MalformedPolicyDocument")
		}
		w.ok(o.del("ann", "Own"))
	})
}

// The quota is for all inline policies together; white space is free, and so is what is replaced.
func TestQuotaOfInlinePolicies(t *testing.T) {
	eachOwner(t, func(t *testing.T, w *world, o owner) {
		w.refused(o.put("ann", "one", padded(o.inline+1)), "LimitExceeded")
		w.ok(o.put("ann", "one", strings.Replace(padded(o.inline-200), "{", "{"+strings.Repeat(" \t\n", 100), 1)))
		w.ok(o.put("ann", "one", padded(o.inline-200)))
		w.ok(o.put("ann", "two", padded(200)))
		w.refused(o.put("ann", "two", padded(201)), "LimitExceeded")
		w.refused(o.put("ann", "three", padded(150)), "LimitExceeded")
		w.ok(o.del("ann", "one"))
		w.ok(o.put("ann", "three", padded(o.inline-200)))
	})
}

func attachedNames(resp api.Response) (names []string) {
	var list []iam.AttachedPolicy
	switch resp := resp.(type) {
	case *iam.ListAttachedUserPoliciesResponse:
		list = resp.AttachedPolicies
	case *iam.ListAttachedRolePoliciesResponse:
		list = resp.AttachedPolicies
	}
	for _, a := range list {
		names = append(names, a.PolicyName+" "+a.PolicyARN)
	}
	return names
}

func TestAttachments(t *testing.T) {
	eachOwner(t, func(t *testing.T, w *world, o owner) {
		own := w.policy("Own")
		deep := get[*iam.CreatePolicyResponse](w, &iam.CreatePolicyRequest{PolicyName: "deep", Path: p("/a/b/"), PolicyDocument: chimeOnly}).Policy.ARN
		for _, arn := range []string{own, deep, chimeAccess, own} {
			w.ok(o.attach("ann", arn))
		}
		want := []string{"AmazonChimeFullAccess " + chimeAccess, "deep " + deep, "Own " + own}
		if diff := cmp.Diff(want, attachedNames(w.ok(o.listed("ANN", nil, nil, nil)))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(want[1:2], attachedNames(w.ok(o.listed("ann", p("/a/"), nil, nil)))); diff != "" {
			t.Error(diff)
		}
		if policy := get[*iam.GetPolicyResponse](w, &iam.GetPolicyRequest{PolicyARN: own}).Policy; policy.AttachmentCount != 1 {
			t.Errorf("it is attached %d times", policy.AttachmentCount)
		}
		w.refused(&iam.DeletePolicyRequest{PolicyARN: own}, "DeleteConflict")
		w.ok(o.detach("ann", own))
		w.ok(&iam.DeletePolicyRequest{PolicyARN: own})
		for _, missing := range []api.Request{
			o.detach("ann", own), o.attach("ann", own), o.attach("none", deep), o.detach("none", deep), o.listed("none", nil, nil, nil),
		} {
			w.refused(missing, "NoSuchEntity")
		}
		for _, bad := range []api.Request{o.attach("ann", account0+"role/Ann/policy/deep"), o.detach("ann", "policy/that-is-no-arn-at-all")} {
			w.refused(bad, "InvalidInput")
		}
	})
}

func TestQuotaOfAttachments(t *testing.T) {
	eachOwner(t, func(t *testing.T, w *world, o owner) {
		for _, name := range strings.Fields("a b c d e f g h i") {
			w.ok(o.attach("ann", w.policy(name)))
		}
		w.ok(o.attach("ann", chimeAccess))
		w.ok(o.attach("ann", chimeAccess))
		w.refused(o.attach("ann", adminAccess), "LimitExceeded")
		w.ok(o.detach("ann", chimeAccess))
		w.ok(o.attach("ann", adminAccess))
	})
}
