package servicetest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// roleless are the operations that no role of a channel decides about, with the reason.
var roleless = map[string]string{
	"ChannelFlowCallback":                    "a processor calls it, without a bearer: the CallbackId says what it may change",
	"GetMessagingSessionEndpoint":            "it is about no channel and has no bearer",
	"TagResource":                            withoutBearer,
	"UntagResource":                          withoutBearer,
	"ListTagsForResource":                    withoutBearer,
	"CreateChannelFlow":                      withoutBearer,
	"DeleteChannelFlow":                      withoutBearer,
	"DescribeChannelFlow":                    withoutBearer,
	"ListChannelFlows":                       withoutBearer,
	"ListChannelsAssociatedWithChannelFlow":  withoutBearer,
	"UpdateChannelFlow":                      withoutBearer,
	"DeleteMessagingStreamingConfigurations": withoutBearer,
	"GetMessagingStreamingConfigurations":    withoutBearer,
	"PutMessagingStreamingConfigurations":    withoutBearer,
}

const withoutBearer = "it has no bearer: IAM alone decides"

// TestEveryOperationHasARow: an operation is in the matrix of roles, or it is known why not.
func TestEveryOperationHasARow(t *testing.T) {
	rows := map[string]bool{}
	for _, r := range readMatrix(t) {
		name, _, _ := strings.Cut(r.call, " ")
		rows[name] = true
	}
	operations := map[string]bool{}
	for _, op := range messaging.Operations(messaging.Unbuilt{}) {
		operations[op.Name] = true
		switch _, excused := roleless[op.Name]; {
		case rows[op.Name] && excused:
			t.Errorf("%s has a row in testdata/roles.txt, so it needs no excuse", op.Name)
		case !rows[op.Name] && !excused:
			t.Errorf("%s has no row in testdata/roles.txt, and no reason why not", op.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if !operations[name] {
			t.Errorf("testdata/roles.txt has rows for %s, which is no operation", name)
		}
	}
}

// TestIdentityHasNoBearer is why no operation of identity has a row: they act on behalf of no user,
// and IAM alone decides.
func TestIdentityHasNoBearer(t *testing.T) {
	for _, op := range identityapi.Operations(identityapi.Unbuilt{}) {
		if op.Bearer {
			t.Errorf("%s takes a bearer, so it needs a row in testdata/roles.txt", op.Name)
		}
	}
}
