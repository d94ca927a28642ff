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
	owner := c.users[in.members[0]]
	var made struct{ ChannelArn string }
	request := object{"AppInstanceArn": c.app, "ChannelId": name, "Name": name, "ClientRequestToken": name, "Privacy": "PRIVATE", "Mode": "UNRESTRICTED"}
	if err := c.call(ctx, http.MethodPost, "/channels", owner, request, &made); err != nil {
		return err
	}
	in.arn = made.ChannelArn
	var members []string
	for _, m := range in.members[1:] {
		members = append(members, c.users[m])
	}
	err := c.call(ctx, http.MethodPost, chatPath(in, "/memberships?operation=batch-create"), owner, object{"MemberArns": members, "Type": "DEFAULT"}, nil)
	if err == nil && in.bot != "" {
		err = c.call(ctx, http.MethodPost, chatPath(in, "/memberships"), owner, object{"MemberArn": c.botARN, "Type": "DEFAULT"}, nil)
	}
	if err != nil || flow == "" {
		return err
	}
	return c.call(ctx, http.MethodPut, chatPath(in, "/channel-flow"), owner, object{"ChannelFlowArn": flow}, nil)
}

// endAll renames all channels, as the last thing that happens in each, and returns the names.
func (c *chatter) endAll(ctx context.Context, round int) (names map[*chat]string, err error) {
	names = map[*chat]string{}
	for _, in := range c.chats {
		names[in] = fmt.Sprintf("end-%d-of-%s", round, in.id())
		if err := c.call(ctx, http.MethodPut, chatPath(in, ""), c.users[in.members[0]], object{"Name": names[in], "Mode": "UNRESTRICTED"}, nil); err != nil {
			return nil, err
		}
	}
	return names, nil
}
