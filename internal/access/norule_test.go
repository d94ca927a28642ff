package access_test

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// TestAnOperationWithoutARuleIsRefused: an operation that was added to a model and not to the rules
// is open to no principal, the root included.
func TestAnOperationWithoutARuleIsRefused(t *testing.T) {
	f := newFixture(t)
	root := f.root(t)
	for _, op := range []api.Operation{
		{Name: "ListUnheardOf", SigningName: "chime"},
		{Name: "ListUnheardOf", SigningName: "iam"},
		{Name: "ListUnheardOf", SigningName: "sts"},
		{Name: "ListUnheardOf", SigningName: "unheard"},
		// A rule about a member that the request does not have allows nothing either.
		{Name: "DescribeAppInstanceUser", SigningName: "chime"},
	} {
		req := &messaging.GetMessagingSessionEndpointRequest{}
		if err := f.Authorize(t.Context(), root, &op, req, access.Source{}); err == nil {
			t.Errorf("%s:%s is allowed", op.SigningName, op.Name)
		}
	}
}
