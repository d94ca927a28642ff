package app

import (
	"context"
	"slices"

	"github.com/carillon-chat/carillon/internal/api"
)

// removing are the operations that are answered when nothing delivers any more what they removed:
// not before the hub knows of the removal.
var removing = []string{
	"RedactChannelMessage", "DeleteChannelMessage", "DeleteChannel", "PutAppInstanceRetentionSettings", "DeleteAppInstance",
}

// settling has those operations wait for settle before they answer. The wait is for what is committed
// already, so it is short, and its failure is no failure of the call.
func settling(all []api.Operation, settle func(context.Context) error) []api.Operation {
	for i, op := range all {
		if !slices.Contains(removing, op.Name) {
			continue
		}
		all[i].Call = func(ctx context.Context, req api.Request) (api.Response, error) {
			resp, err := op.Call(ctx, req)
			if err != nil {
				return nil, err
			}
			_ = settle(ctx) // ends early when the client has gone or the node stops
			return resp, nil
		}
	}
	return all
}
