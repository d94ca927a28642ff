//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/lab"
)

// api prepares a node for a measurement, with the root keys.
type api struct{ lab.Peer }

func newAPI(addr string) api { return api{lab.Dev(addr, 30*time.Second)} }

func (a api) post(ctx context.Context, path, bearer string, in map[string]any, out any) error {
	return a.Call(ctx, http.MethodPost, path, bearer, in, out)
}

func (a api) makeApp(ctx context.Context) (arn string, err error) {
	var made struct{ AppInstanceArn string }
	err = a.post(ctx, "/app-instances", "", map[string]any{"Name": "bench", "ClientRequestToken": "bench"}, &made)
	return made.AppInstanceArn, err
}

// setupCallers is how many calls that prepare a measurement run at once.
const setupCallers = 32

// makeUsers creates users of an app instance and returns their ARNs.
func (a api) makeUsers(ctx context.Context, app string, count int) ([]string, error) {
	arns := make([]string, count)
	return arns, parallel(setupCallers, count, func(i int) error {
		name := fmt.Sprintf("user-%05d", i)
		var made struct{ AppInstanceUserArn string }
		err := a.post(ctx, "/app-instance-users", "", map[string]any{
			"AppInstanceArn": app, "AppInstanceUserId": name, "Name": name, "ClientRequestToken": name,
		}, &made)
		arns[i] = made.AppInstanceUserArn
		return err
	})
}

// batchMembers is how many members one call adds at most.
const batchMembers = 100

// makeChannel creates a channel with the users; the first is its creator.
func (a api) makeChannel(ctx context.Context, app, id string, users []string) (arn string, err error) {
	var made struct{ ChannelArn string }
	err = a.post(ctx, "/channels", users[0], map[string]any{
		"AppInstanceArn": app, "ChannelId": id, "Name": id, "ClientRequestToken": id,
		"Mode": "UNRESTRICTED", "Privacy": "PRIVATE",
	}, &made)
	for batch := range slices.Chunk(users[1:], batchMembers) {
		if err != nil {
			break
		}
		err = a.post(ctx, "/channels/"+lab.Escape(made.ChannelArn)+"/memberships?operation=batch-create",
			users[0], map[string]any{"MemberArns": batch, "Type": "DEFAULT"}, nil)
	}
	return made.ChannelArn, err
}

// say sends a message to a channel.
func (a api) say(ctx context.Context, channel, sender, token string) error {
	return a.post(ctx, "/channels/"+lab.Escape(channel)+"/messages", sender, map[string]any{
		"Content": padding, "Type": "STANDARD", "Persistence": "PERSISTENT", "ClientRequestToken": token,
	}, nil)
}

// parallel calls f for 0 to count-1 from several goroutines and returns the first error.
func parallel(callers, count int, f func(i int) error) error {
	var next atomic.Int64
	var first error
	var once sync.Once
	var group sync.WaitGroup
	for range min(callers, count) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(count))
				}
			}
		})
	}
	group.Wait()
	return first
}
