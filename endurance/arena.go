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

// arena is the world of a run of cuts: channels, who is in them for good, and who comes and goes.
type arena struct {
	api      lab.Peer
	app      string
	host     string   // ARN of a moderator of the elastic channels, who has no session
	users    []string // ARNs
	channels []*hall
	// clock orders what callers saw: a call that was answered before another began has the
	// lower numbers.
	clock atomic.Int64
}

// hall is a channel with members that stay and members that come and go.
type hall struct {
	arn     string
	elastic bool
	owner   string // ARN of who may add and remove members
	stay    []int  // users
	move    []int
}

// hallOf finds a channel by its id.
func (a *arena) hallOf(id string) *hall {
	i := slices.IndexFunc(a.channels, func(h *hall) bool { return suffix(h.arn) == id })
	return a.channels[i]
}

// elasticPart of the channels are elastic: every n-th.
const elasticPart = 7

// call repeats a call until it has an answer that is no failure of the server. Its token, or the
// nature of the call, makes the repetition harmless.
func (a *arena) call(ctx context.Context, method, target, bearer string, in object, out any) error {
	for {
		err := a.api.Call(ctx, method, target, bearer, in, out)
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
// that they are told of every membership.
func (a *arena) makeUsers(ctx context.Context, count int) error {
	var app struct{ AppInstanceArn string }
	if err := a.call(ctx, "POST", "/app-instances", "", object{"Name": "cuts", "ClientRequestToken": "cuts"}, &app); err != nil {
		return err
	}
	a.app = app.AppInstanceArn
	for i := range count + 1 {
		name := fmt.Sprintf("u%02d", i)
		if i == count {
			name = "host"
		}
		var user struct{ AppInstanceUserArn string }
		if err := a.call(ctx, "POST", "/app-instance-users", "", object{
			"AppInstanceArn": a.app, "AppInstanceUserId": name, "Name": name, "ClientRequestToken": name,
		}, &user); err != nil {
			return err
		}
		if a.host = user.AppInstanceUserArn; i < count {
			a.users = append(a.users, user.AppInstanceUserArn)
		}
	}
	return nil
}

// makeChannels makes channels with random members.
func (a *arena) makeChannels(ctx context.Context, count int, random *rand.Rand) error {
	for i := range count {
		h := &hall{elastic: i%elasticPart == elasticPart-1 && len(a.users) >= 6}
		everybody := random.Perm(len(a.users))
		if h.elastic {
			members := everybody[:min(len(everybody), 8+random.IntN(9))]
			h.stay, h.move, h.owner = members[:len(members)/2], members[len(members)/2:], a.host
		} else {
			members := everybody[:min(len(everybody), 3+random.IntN(12))]
			movers := i % 3 % 2 // a third of the channels
			h.stay, h.move = members[movers:], members[:movers]
			h.owner = a.users[h.stay[0]]
		}
		if err := a.makeChannel(ctx, h, fmt.Sprintf("c%02d", i)); err != nil {
			return err
		}
		a.channels = append(a.channels, h)
	}
	return nil
}

func (a *arena) makeChannel(ctx context.Context, h *hall, name string) error {
	request := object{"AppInstanceArn": a.app, "ChannelId": name, "Name": name, "ClientRequestToken": name, "Privacy": "PRIVATE"}
	if h.elastic {
		request["ElasticChannelConfiguration"] = object{
			"MaximumSubChannels": 8, "TargetMembershipsPerSubChannel": 5, "MinimumMembershipPercentage": 40}
	}
	var made struct{ ChannelArn string }
	if err := a.call(ctx, "POST", "/channels", h.owner, request, &made); err != nil {
		return err
	}
	h.arn = made.ChannelArn
	var arns []string
	for _, list := range [][]int{h.stay, h.move} {
		for _, u := range list {
			if a.users[u] != h.owner {
				arns = append(arns, a.users[u])
			}
		}
	}
	var added struct{ Errors []any }
	err := a.call(ctx, "POST", "/channels/"+lab.Escape(h.arn)+"/memberships?operation=batch-create", h.owner,
		object{"MemberArns": arns, "Type": "DEFAULT"}, &added)
	if err == nil && len(added.Errors) > 0 {
		err = fmt.Errorf("members of %s: %v", name, added.Errors)
	}
	return err
}

// join adds a member; it is there already when a try before was carried out and its answer lost.
func (a *arena) join(ctx context.Context, h *hall, user int) error {
	err := a.call(ctx, "POST", "/channels/"+lab.Escape(h.arn)+"/memberships", h.owner, object{"MemberArn": a.users[user], "Type": "DEFAULT"}, nil)
	if is(err, http.StatusConflict) {
		return nil
	}
	return err
}

func (a *arena) leave(ctx context.Context, h *hall, user int) error {
	return a.call(ctx, "DELETE", "/channels/"+lab.Escape(h.arn)+"/memberships/"+lab.Escape(a.users[user]), h.owner, nil, nil)
}

// subOf is the sub-channel that a member of an elastic channel is in.
func (a *arena) subOf(ctx context.Context, h *hall, user int) (string, error) {
	var answer struct {
		ChannelMembership struct {
			AppInstanceUserMembershipSummary struct{ SubChannelId string }
		}
	}
	err := a.call(ctx, "GET", "/channels/"+lab.Escape(h.arn)+"?scope=app-instance-user-membership&app-instance-user-arn="+lab.Escape(a.users[user]),
		a.users[user], nil, &answer)
	return answer.ChannelMembership.AppInstanceUserMembershipSummary.SubChannelId, err
}
