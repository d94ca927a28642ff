package access

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/iamtools"
)

// Conditions on tags hold for every operation that puts or removes tags of the account.
func TestConditionsSeeTheTagsOfEveryOperation(t *testing.T) {
	empty := ""
	for _, op := range slices.Concat(iam.Operations(iam.Unbuilt{}), iamtools.Operations(iamtools.Unbuilt{})) {
		if !strings.HasPrefix(op.Name, "Tag") && !strings.HasPrefix(op.Name, "Untag") {
			continue
		}
		req := newRequest(t, op.Name)
		value := reflect.ValueOf(req).Elem()
		switch tags := value.FieldByName("Tags"); {
		case !tags.IsValid():
			value.FieldByName("TagKeys").Set(reflect.ValueOf([]string{"k"}))
		case tags.Type() == reflect.TypeFor[[]iam.Tag]():
			tags.Set(reflect.ValueOf([]iam.Tag{{Key: "k", Value: &empty}}))
		default:
			tags.Set(reflect.ValueOf([]iamtools.Tag{{Key: "k", Value: &empty}}))
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
		&iam.TagRoleRequest{}, &iam.UntagRoleRequest{}, &iamtools.TagUserRequest{}, &iamtools.UntagUserRequest{}, &iamtools.TagPolicyRequest{},
		&iamtools.UntagPolicyRequest{}, &iamtools.TagOpenIDConnectProviderRequest{}, &iamtools.UntagOpenIDConnectProviderRequest{},
	} {
		if reflect.TypeOf(req).Elem().Name() == operation+"Request" {
			return req
		}
	}
	t.Fatalf("the test does not know %s", operation)
	return nil
}
