//go:build linux

package rig

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/carillon-chat/carillon/internal/lab"
)

// API prepares a node for a measurement, with the root keys.
type API struct{ lab.Peer }

// NewAPI is for a node of dev mode; Close ends its connections.
func NewAPI(addr string) API { return API{lab.Dev(addr, 30*time.Second)} }

func (a API) post(ctx context.Context, path, bearer string, in map[string]any, out any) error {
	return a.Call(ctx, http.MethodPost, path, bearer, in, out)
}

// MakeApp creates an app instance and returns its ARN.
func (a API) MakeApp(ctx context.Context) (arn string, err error) {
	var made struct{ AppInstanceArn string }
	err = a.post(ctx, "/app-instances", "", map[string]any{"Name": "bench", "ClientRequestToken": "bench"}, &made)
	return made.AppInstanceArn, err
}

// SetupCallers is how many calls that prepare a measurement run at once.
const SetupCallers = 32

// MakeUsers creates users of an app instance and returns their ARNs.
func (a API) MakeUsers(ctx context.Context, app string, count int) ([]string, error) {
	arns := make([]string, count)
	return arns, Parallel(SetupCallers, count, func(i int) error {
		name := fmt.Sprintf("user-%05d", i)
		var made struct{ AppInstanceUserArn string }
		err := a.post(ctx, "/app-instance-users", "", map[string]any{
			"AppInstanceArn": app, "AppInstanceUserId": name, "Name": name, "ClientRequestToken": name,
		}, &made)
		arns[i] = made.AppInstanceUserArn
		return err
	})
}

// BatchMembers is how many members one call adds at most.
const BatchMembers = 100

// MakeChannel creates a channel with the users; the first is its creator.
func (a API) MakeChannel(ctx context.Context, app, id string, users []string) (arn string, err error) {
	var made struct{ ChannelArn string }
	err = a.post(ctx, "/channels", users[0], map[string]any{
		"AppInstanceArn": app, "ChannelId": id, "Name": id, "ClientRequestToken": id,
		"Mode": "UNRESTRICTED", "Privacy": "PRIVATE",
	}, &made)
	for batch := range slices.Chunk(users[1:], BatchMembers) {
		if err != nil {
			break
		}
		err = a.AddMembers(ctx, made.ChannelArn, users[0], batch)
	}
	return made.ChannelArn, err
}

// AddMembers makes users members of a channel, BatchMembers at most.
func (a API) AddMembers(ctx context.Context, channel, by string, users []string) error {
	return a.post(ctx, "/channels/"+lab.Escape(channel)+"/memberships?operation=batch-create", by,
		map[string]any{"MemberArns": users, "Type": "DEFAULT"}, nil)
}

// MakeFlow creates a channel flow whose only processor is the Lambda function, and returns its ARN.
func (a API) MakeFlow(ctx context.Context, app, function string) (arn string, err error) {
	var made struct{ ChannelFlowArn string }
	err = a.post(ctx, "/channel-flows", "", map[string]any{
		"AppInstanceArn": app, "Name": "bench", "ClientRequestToken": "bench", "Processors": []map[string]any{{
			"Name": "bench", "ExecutionOrder": 1, "FallbackAction": "ABORT",
			"Configuration": map[string]any{"Lambda": map[string]string{"ResourceArn": function, "InvocationType": "ASYNC"}},
		}},
	}, &made)
	return made.ChannelFlowArn, err
}

// Say sends a message to a channel.
func (a API) Say(ctx context.Context, channel, sender, token, text string) error {
	return a.post(ctx, "/channels/"+lab.Escape(channel)+"/messages", sender, map[string]any{
		"Content": text, "Type": "STANDARD", "Persistence": "PERSISTENT", "ClientRequestToken": token,
	}, nil)
}
