package access

import (
	"reflect"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
)

// Conditions on tags hold for every operation that puts or removes tags of the account.
func TestConditionsSeeTheTagsOfEveryOperation(t *testing.T) {
	empty := ""
	for _, op := range iam.Operations(iam.Unbuilt{}) {
		if !strings.HasPrefix(op.Name, "Tag") && !strings.HasPrefix(op.Name, "Untag") {
			continue
		}
		req := newRequest(t, op.Name)
		value := reflect.ValueOf(req).Elem()
		if tags := value.FieldByName("Tags"); tags.IsValid() {
			tags.Set(reflect.ValueOf([]iam.Tag{{Key: "k", Value: &empty}}))
		} else {
			value.FieldByName("TagKeys").Set(reflect.ValueOf([]string{"k"}))
		}
		if keys := requestTagKeys(req); len(keys) != 1 || keys[0] != "k" {
			t.Errorf("%s: the keys are %v", op.Name, keys)
		}
	}
}

// newRequest is an empty request of an operation on tags.
func newRequest(t *testing.T, operation string) api.Request {
	t.Helper()
	for _, req := range []api.Request{
		&iam.TagRoleRequest{}, &iam.UntagRoleRequest{}, &iam.TagUserRequest{}, &iam.UntagUserRequest{}, &iam.TagPolicyRequest{},
		&iam.UntagPolicyRequest{}, &iam.TagOpenIDConnectProviderRequest{}, &iam.UntagOpenIDConnectProviderRequest{},
	} {
		if reflect.TypeOf(req).Elem().Name() == operation+"Request" {
			return req
		}
	}
	t.Fatalf("the test does not know %s", operation)
	return nil
}
