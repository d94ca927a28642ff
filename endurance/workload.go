package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/carillon-chat/carillon/internal/lab"
)

// workload is what a run of cuts works on: channels, their members that stay, and those that come and go.
type workload struct {
	api      lab.Peer
	app      string
	host     string   // ARN of a moderator of the elastic channels, without a session
	users    []string // ARNs
	channels []*workloadChannel
	// clock orders what callers saw: a call that was answered before another began has the
	// lower numbers.
	clock atomic.Int64
}

// workloadChannel is a channel with members that stay and members that come and go.
type workloadChannel struct {
	arn     string
	elastic bool
	owner   string // ARN of the user that adds and removes members
	stay    []int  // users
	move    []int
}

// channelOf finds a channel by its id.
func (w *workload) channelOf(id string) *workloadChannel {
	i := slices.IndexFunc(w.channels, func(ch *workloadChannel) bool { return suffix(ch.arn) == id })
	return w.channels[i]
}

// elasticPart of the channels are elastic: every n-th.
const elasticPart = 7

// call repeats a call until it has an answer that is no failure of the server. Its token, or the
// nature of the call, makes the repetition harmless.
func (w *workload) call(ctx context.Context, method, target, bearer string, in object, out any) error {
	for {
		err := w.api.Call(ctx, method, target, bearer, in, out)
		var refused *lab.Refusal
		if err == nil || errors.As(err, &refused) && refused.Status < 500 {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s %s: %w (last: %w)", method, target, errTooLong, err)
		}
		rest(ctx, retryWithin/4+rand.N(retryWithin/4))
	}
}

// is reports whether err is a refusal with the status.
func is(err error, status int) bool {
	var refused *lab.Refusal
	return errors.As(err, &refused) && refused.Status == status
}

// makeUsers makes the app instance and its users. Watchers attach before there are channels, so
// that they get the event of every membership.
func (w *workload) makeUsers(ctx context.Context, count int) error {
	var app struct{ AppInstanceArn string }
	if err := w.call(ctx, "POST", "/app-instances", "", object{"Name": "cuts", "ClientRequestToken": "cuts"}, &app); err != nil {
		return err
	}
	w.app = app.AppInstanceArn
	for i := range count + 1 {
		name := fmt.Sprintf("u%02d", i)
		if i == count {
			name = "host"
		}
		var user struct{ AppInstanceUserArn string }
		if err := w.call(ctx, "POST", "/app-instance-users", "", object{
			"AppInstanceArn": w.app, "AppInstanceUserId": name, "Name": name, "ClientRequestToken": name,
		}, &user); err != nil {
			return err
		}
		if w.host = user.AppInstanceUserArn; i < count {
			w.users = append(w.users, user.AppInstanceUserArn)
		}
	}
	return nil
}

// makeChannels makes channels with random members.
func (w *workload) makeChannels(ctx context.Context, count int, random *rand.Rand) error {
	for i := range count {
		ch := &workloadChannel{elastic: i%elasticPart == elasticPart-1 && len(w.users) >= 6}
		everybody := random.Perm(len(w.users))
		if ch.elastic {
			members := everybody[:min(len(everybody), 8+random.IntN(9))]
			ch.stay, ch.move, ch.owner = members[:len(members)/2], members[len(members)/2:], w.host
		} else {
			members := everybody[:min(len(everybody), 3+random.IntN(12))]
			movers := i % 3 % 2 // a third of the channels
			ch.stay, ch.move = members[movers:], members[:movers]
			ch.owner = w.users[ch.stay[0]]
		}
		if err := w.makeChannel(ctx, ch, fmt.Sprintf("c%02d", i)); err != nil {
			return err
		}
		w.channels = append(w.channels, ch)
	}
	return nil
}

func (w *workload) makeChannel(ctx context.Context, ch *workloadChannel, name string) error {
	request := object{"AppInstanceArn": w.app, "ChannelId": name, "Name": name, "ClientRequestToken": name, "Privacy": "PRIVATE"}
	if ch.elastic {
		request["ElasticChannelConfiguration"] = object{
			"MaximumSubChannels": 8, "TargetMembershipsPerSubChannel": 5, "MinimumMembershipPercentage": 40}
	}
	var made struct{ ChannelArn string }
	if err := w.call(ctx, "POST", "/channels", ch.owner, request, &made); err != nil {
		return err
	}
	ch.arn = made.ChannelArn
	var arns []string
	for _, list := range [][]int{ch.stay, ch.move} {
		for _, u := range list {
			if w.users[u] != ch.owner {
				arns = append(arns, w.users[u])
			}
		}
	}
	var added struct{ Errors []any }
	err := w.call(ctx, "POST", "/channels/"+lab.Escape(ch.arn)+"/memberships?operation=batch-create", ch.owner,
		object{"MemberArns": arns, "Type": "DEFAULT"}, &added)
	if err == nil && len(added.Errors) > 0 {
		err = fmt.Errorf("members of %s: %v", name, added.Errors)
	}
	return err
}

// join adds a member; it is there already when a try before was carried out and its answer lost.
func (w *workload) join(ctx context.Context, ch *workloadChannel, user int) error {
	err := w.call(ctx, "POST", "/channels/"+lab.Escape(ch.arn)+"/memberships", ch.owner, object{"MemberArn": w.users[user], "Type": "DEFAULT"}, nil)
	if is(err, http.StatusConflict) {
		return nil
	}
	return err
}

func (w *workload) leave(ctx context.Context, ch *workloadChannel, user int) error {
	return w.call(ctx, "DELETE", "/channels/"+lab.Escape(ch.arn)+"/memberships/"+lab.Escape(w.users[user]), ch.owner, nil, nil)
}

// subOf is the sub-channel that a member of an elastic channel is in.
func (w *workload) subOf(ctx context.Context, ch *workloadChannel, user int) (string, error) {
	var answer struct {
		ChannelMembership struct {
			AppInstanceUserMembershipSummary struct{ SubChannelId string }
		}
	}
	err := w.call(ctx, "GET", "/channels/"+lab.Escape(ch.arn)+"?scope=app-instance-user-membership&app-instance-user-arn="+lab.Escape(w.users[user]),
		w.users[user], nil, &answer)
	return answer.ChannelMembership.AppInstanceUserMembershipSummary.SubChannelId, err
}
