package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"

	"github.com/carillon-chat/carillon/endurance/processing"
	"github.com/carillon-chat/carillon/internal/lab"
)

// flows are those of the channels, each a list of processors, of which those with ! abort. In one of them no message can be sent.
var flows = [][]string{
	{},
	{processSync + "!"},
	{processLater + "!"},
	{processDeny + "!", processSync},
	{processFlaky, processLater + "!", processSync},
	{processMortal + "!", processSync + "!"},
	{processMissing, processSync, processDeny + "!"},
	{processSync, processMissing + "!"},
	{processSync, processFlaky},
}

// botFlows are the flows of channels that a bot is a member of. A message of a bot cannot fail in them.
var botFlows = map[int]bool{0: true, 8: true}

const lambdaPrefix = "arn:aws:lambda:us-east-1:000000000000:function:"

// begin makes the users, and an admin, which is the host, and gives the app instance its streams.
func (c *chatter) begin(ctx context.Context, users int) error {
	if err := c.makeUsers(ctx, users); err != nil {
		return err
	}
	admin := "/app-instances/" + lab.Escape(c.app) + "/admins"
	if err := c.call(ctx, http.MethodPost, admin, "", object{"AppInstanceAdminArn": c.host}, nil); err != nil {
		return err
	}
	if err := c.makeBot(ctx); err != nil {
		return err
	}
	var streams []object
	for _, kind := range []string{"ChannelMessage", "Channel"} {
		streams = append(streams, object{"DataType": kind, "ResourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-all"})
	}
	return c.call(ctx, http.MethodPut, "/app-instances/"+lab.Escape(c.app)+"/streaming-configurations", "", object{"StreamingConfigurations": streams}, nil)
}

// makeChats makes channels of each flow, with random members.
func (c *chatter) makeChats(ctx context.Context, copies int, random *rand.Rand) error {
	for i, processors := range flows {
		flow, arn, err := c.makeFlow(ctx, fmt.Sprint("flow-", i), processors)
		if err != nil {
			return err
		}
		for n := range copies {
			in := &chat{flow: flow, members: random.Perm(len(c.users))[:max(3, len(c.users)*2/3)]}
			if botFlows[i] {
				in.bot = suffix(c.botARN)
			}
			if err := c.makeChat(ctx, in, fmt.Sprintf("flow-%d-%d", i, n), arn); err != nil {
				return err
			}
			c.chats = append(c.chats, in)
		}
	}
	if err := c.makeElastic(ctx); err != nil {
		return err
	}
	for user := range c.users {
		if len(c.chatsOf(user)) == 0 {
			return errors.New("chance has left out a user: another seed is needed")
		}
	}
	return nil
}

// makeFlow makes a flow; of no processors there is none.
func (c *chatter) makeFlow(ctx context.Context, name string, names []string) (flow []processing.Processor, arn string, err error) {
	if len(names) == 0 {
		return nil, "", nil
	}
	var list []object
	for i, text := range names {
		p, action := processing.Processor{Name: text}, "CONTINUE"
		if text[len(text)-1] == '!' {
			p.Name, p.Abort, action = text[:len(text)-1], true, "ABORT"
		}
		p.Missing, p.Process = p.Name == processMissing, processOf(p.Name)
		flow = append(flow, p)
		list = append(list, object{
			"Name": p.Name, "ExecutionOrder": i + 1, "FallbackAction": action,
			"Configuration": object{"Lambda": object{"ResourceArn": lambdaPrefix + p.Name, "InvocationType": "ASYNC"}},
		})
	}
	var made struct{ ChannelFlowArn string }
	err = c.call(ctx, http.MethodPost, "/channel-flows", "", object{"AppInstanceArn": c.app, "Name": name, "ClientRequestToken": name, "Processors": list}, &made)
	return flow, made.ChannelFlowArn, err
}

// makeChat makes a channel with its members, and gives it the flow.
func (c *chatter) makeChat(ctx context.Context, in *chat, name, flow string) error {
	in.owner = c.users[in.members[0]]
	var made struct{ ChannelArn string }
	request := object{"AppInstanceArn": c.app, "ChannelId": name, "Name": name, "ClientRequestToken": name, "Privacy": "PRIVATE", "Mode": "UNRESTRICTED"}
	if err := c.call(ctx, http.MethodPost, "/channels", in.owner, request, &made); err != nil {
		return err
	}
	in.arn = made.ChannelArn
	var members []string
	for _, m := range in.members[1:] {
		members = append(members, c.users[m])
	}
	err := c.call(ctx, http.MethodPost, chatPath(in, "/memberships?operation=batch-create"), in.owner, object{"MemberArns": members, "Type": "DEFAULT"}, nil)
	if err == nil && in.bot != "" {
		err = c.call(ctx, http.MethodPost, chatPath(in, "/memberships"), in.owner, object{"MemberArn": c.botARN, "Type": "DEFAULT"}, nil)
	}
	if err != nil || flow == "" {
		return err
	}
	return c.associate(ctx, in, flow)
}

func (c *chatter) associate(ctx context.Context, in *chat, flow string) error {
	return c.call(ctx, http.MethodPut, chatPath(in, "/channel-flow"), in.owner, object{"ChannelFlowArn": flow}, nil)
}

// elasticFlow is that of the elastic channel.
var elasticFlow = []string{processDeny + "!", processLater + "!"}

// makeElastic makes an elastic channel of all users, with a chat in each of its sub-channels. No member joins or leaves later,
// so the members of a sub-channel stay what they are.
func (c *chatter) makeElastic(ctx context.Context) error {
	flow, arn, err := c.makeFlow(ctx, "flow-elastic", elasticFlow)
	if err != nil {
		return err
	}
	all := &chat{flow: flow, owner: c.host}
	var made struct{ ChannelArn string }
	request := object{
		"AppInstanceArn": c.app, "ChannelId": "elastic", "Name": "elastic", "ClientRequestToken": "elastic", "Privacy": "PRIVATE",
		"ElasticChannelConfiguration": object{"MaximumSubChannels": 100, "TargetMembershipsPerSubChannel": 3, "MinimumMembershipPercentage": 40},
	}
	if err := c.call(ctx, http.MethodPost, "/channels", all.owner, request, &made); err != nil {
		return err
	}
	all.arn = made.ChannelArn
	in := &workloadChannel{arn: all.arn, elastic: true, owner: all.owner}
	for user := range c.users {
		if err := c.join(ctx, in, user); err != nil {
			return err
		}
		all.members = append(all.members, user)
	}

	// Those that came late may have had others moved.
	chats := map[string]*chat{}
	for user := range c.users {
		sub, err := c.subOf(ctx, in, user)
		if err != nil {
			return err
		}
		if chats[sub] == nil {
			chats[sub] = &chat{arn: all.arn, sub: sub, flow: flow, owner: all.owner}
			c.chats = append(c.chats, chats[sub])
		}
		chats[sub].members = append(chats[sub].members, user)
	}
	if len(chats) < 2 {
		return fmt.Errorf("%d users are in %d sub-channel", len(c.users), len(chats))
	}
	c.elastic = append(c.elastic, all)
	return c.associate(ctx, all, arn)
}

// endAll renames all channels, as the last thing that happens in each, and returns the names.
func (c *chatter) endAll(ctx context.Context, round int) (names map[*chat]string, err error) {
	names = map[*chat]string{}
	for _, in := range c.chats {
		names[in] = fmt.Sprintf("end-%d-of-%s", round, in.id())
		if err := c.call(ctx, http.MethodPut, chatPath(in, ""), in.owner, object{"Name": names[in], "Mode": in.mode()}, nil); err != nil {
			return nil, err
		}
	}
	return names, nil
}
