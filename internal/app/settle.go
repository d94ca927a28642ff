package app

import (
	"cmp"
	"context"
	"slices"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
)

// removing are the operations that are answered when nothing delivers any more what they removed:
// not before the hub knows of the removal.
var removing = []string{
	"RedactChannelMessage", "DeleteChannelMessage", "DeleteChannel", "PutAppInstanceRetentionSettings", "DeleteAppInstance",
}

// settling has those operations wait for settle before they answer. The wait is for what is committed
// already, so it is short, and its failure is no failure of the call.
func settling(all []api.Operation, site chime.Site, settle func(ctx context.Context, app string) error) []api.Operation {
	for i, op := range all {
		if !slices.Contains(removing, op.Name) {
			continue
		}
		all[i].Call = func(ctx context.Context, req api.Request) (api.Response, error) {
			resp, err := op.Call(ctx, req)
			if err != nil {
				return nil, err
			}
			app := site.AppOf(cmp.Or(req.Member("ChannelArn"), req.Member("AppInstanceArn")))
			_ = settle(ctx, app) // ends early when the client has gone or the node stops
			return resp, nil
		}
	}
	return all
}
