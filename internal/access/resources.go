package access

import (
	"context"
	"fmt"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/sts"
)

// need is one thing that a call needs permission for: an action on a resource. With or, a policy
// may allow it on either resource, and a deny on one of them refuses it. With elsewhere, it may be
// allowed elsewhere, and only a deny refuses it here.
type need struct {
	action, arn, or string
	elsewhere       bool
}

// part is a resource that a request names, or that it would make.
type part uint8

const (
	nothing     part = iota
	anything         // *
	bearer           // the acting user or bot: required wherever it is part of a rule
	channel          // ChannelArn
	flow             // ChannelFlowArn
	app              // AppInstanceArn
	admin            // AppInstanceAdminArn
	user             // AppInstanceUserArn
	bot              // AppInstanceBotArn
	tagged           // ResourceARN
	webhook          // WebhookArn
	everyApp         // app instances that the request does not name
	everyUser        // users of the app instance, or the app instance
	everyBot         // bots of the app instance, or the app instance
	everyFlow        // flows of the app instance, or the app instance
	userToBe         // the user that is made, or its app instance
	channelToBe      // the channel that is made
)

// rule is what one operation of the messaging and identity APIs, or of the server's own, needs permission for.
type rule struct {
	action string
	on     [3]part // all of them
}

// rules follow the table of spec 2.5, by operation, as far as AWS has them. What calls need beyond that is in more.
var rules = makeRules()

func makeRules() map[string]rule {
	all := map[string]rule{}
	prefix := "chime:"
	on := func(parts [3]part, operations ...string) {
		for _, name := range operations {
			all[name] = rule{action: prefix + name, on: parts}
		}
	}
	on([3]part{anything}, "GetMessagingSessionEndpoint")

	// Acting in a channel.
	on([3]part{bearer, channel},
		"BatchCreateChannelMembership", "CreateChannelBan", "CreateChannelMembership", "CreateChannelModerator",
		"DeleteChannel", "DeleteChannelBan", "DeleteChannelMembership", "DeleteChannelMessage", "DeleteChannelModerator",
		"DescribeChannel", "DescribeChannelBan", "DescribeChannelMembership", "DescribeChannelMembershipForAppInstanceUser",
		"DescribeChannelModeratedByAppInstanceUser", "DescribeChannelModerator", "GetChannelMembershipPreferences",
		"GetChannelMessage", "GetChannelMessageStatus", "ListChannelBans", "ListChannelMemberships", "ListChannelMessages",
		"ListChannelModerators", "ListSubChannels", "PutChannelExpirationSettings", "PutChannelMembershipPreferences",
		"RedactChannelMessage", "SendChannelMessage", "UpdateChannel", "UpdateChannelMessage", "UpdateChannelReadMarker")
	on([3]part{bearer, channel, flow}, "AssociateChannelFlow", "DisassociateChannelFlow")
	on([3]part{bearer}, "CreateChannel", "ListChannelMembershipsForAppInstanceUser", "ListChannels",
		"ListChannelsModeratedByAppInstanceUser", "SearchChannels")
	on([3]part{channel}, "ChannelFlowCallback")

	// Flows, streams and tags, without a bearer. DeleteChannelFlow is on the flow: that AWS lists
	// the channel is a slip.
	on([3]part{flow}, "DeleteChannelFlow", "DescribeChannelFlow", "ListChannelsAssociatedWithChannelFlow", "UpdateChannelFlow")
	on([3]part{everyFlow}, "ListChannelFlows")
	on([3]part{app}, "CreateChannelFlow", "DeleteMessagingStreamingConfigurations", "GetMessagingStreamingConfigurations",
		"PutMessagingStreamingConfigurations")
	on([3]part{tagged}, "ListTagsForResource", "TagResource", "UntagResource")

	// Identity.
	on([3]part{everyApp}, "CreateAppInstance", "ListAppInstances")
	on([3]part{app}, "DeleteAppInstance", "DescribeAppInstance", "GetAppInstanceRetentionSettings", "ListAppInstanceAdmins",
		"PutAppInstanceRetentionSettings", "UpdateAppInstance")
	on([3]part{app, admin}, "CreateAppInstanceAdmin", "DeleteAppInstanceAdmin", "DescribeAppInstanceAdmin")
	on([3]part{userToBe}, "CreateAppInstanceUser")
	on([3]part{everyUser}, "ListAppInstanceUsers")
	on([3]part{user}, "DeleteAppInstanceUser", "DeregisterAppInstanceUserEndpoint", "DescribeAppInstanceUser",
		"DescribeAppInstanceUserEndpoint", "ListAppInstanceUserEndpoints", "PutAppInstanceUserExpirationSettings",
		"RegisterAppInstanceUserEndpoint", "UpdateAppInstanceUser", "UpdateAppInstanceUserEndpoint")
	on([3]part{everyBot}, "CreateAppInstanceBot", "ListAppInstanceBots")
	on([3]part{bot}, "DeleteAppInstanceBot", "DescribeAppInstanceBot", "UpdateAppInstanceBot")

	// The server's own operations are signed as the others are, and policies that allow chime:* do not
	// allow them.
	prefix = "carillon:"
	on([3]part{app}, "CreateWebhook", "ListWebhooks")
	on([3]part{webhook}, "DeleteWebhook", "DescribeWebhook", "ListWebhookDeliveries", "ReplayWebhook", "ResendWebhookDeliveries",
		"ResendWebhookDelivery", "RotateWebhookSecret", "UpdateWebhook")
	on([3]part{user}, "EraseAppInstanceUser", "ExportAppInstanceUser")
	on([3]part{app}, "DescribeErasure", "ListErasures")

	return all
}

// needs appends everything that a call needs permission for, at least one thing. Its error is an
// *api.Error, a failure of the store, or that of an operation without a rule.
func (s *Service) needs(ctx context.Context, list []need, p *Principal, op *api.Operation, req api.Request) ([]need, error) {
	switch op.SigningName {
	case "chime":
		return s.chimeNeeds(list, op, req)
	case "iam":
		n, err := s.accountNeed(ctx, p, op, req)
		list = append(list, n)
		if tag := tagActions[op.Name]; tag != "" && len(requestTags(req)) > 0 {
			list = append(list, need{action: tag, arn: n.arn})
		}
		return list, err
	case "sts":
		if r, ok := req.(*sts.AssumeRoleRequest); ok {
			// A role may trust the caller by name, which is enough where nothing limits the caller.
			named := !p.set.HasBoundary && !p.set.HasSession
			list = append(list, need{action: "sts:AssumeRole", arn: r.RoleARN, elsewhere: named})
			if len(r.Tags) > 0 { // the role's trust policy allows it
				list = append(list, need{action: "sts:TagSession", arn: r.RoleARN, elsewhere: true})
			}
			return list, nil
		}
	}
	return nil, noRule(op)
}

// noRule refuses an operation that nothing here knows: without a rule there is no permission that
// could allow it.
func noRule(op *api.Operation) error {
	return fmt.Errorf("access: no rule says what %s of %s needs", op.Name, op.SigningName)
}

func (s *Service) chimeNeeds(list []need, op *api.Operation, req api.Request) ([]need, error) {
	r, known := rules[op.Name]
	if !known {
		return nil, noRule(op)
	}
	for _, at := range r.on {
		if at == nothing {
			break
		}

		n := need{action: r.action}
		n.arn, n.or = s.name(at, req)
		if n.arn == "" {
			if at == bearer { // two models call it optional, and their texts do not (spec 2.3)
				return nil, api.BadRequest("ChimeBearer", "the header x-amz-chime-bearer is required")
			}
			continue
		}
		list = append(list, n)
	}
	if len(list) == 0 { // its rule is about members that it does not have
		return nil, noRule(op)
	}
	return s.more(list, req), nil
}

// named are the members of requests that hold the ARN of a part.
var named = [...]string{
	bearer: "ChimeBearer", channel: "ChannelArn", flow: "ChannelFlowArn", app: "AppInstanceArn", admin: "AppInstanceAdminArn",
	user: "AppInstanceUserArn", bot: "AppInstanceBotArn", tagged: "ResourceARN", webhook: "WebhookArn",
}

// name returns the ARN of a part, and one that may be allowed instead (spec 2.5).
func (s *Service) name(at part, req api.Request) (arn, or string) {
	switch {
	case at == anything:
		return "*", ""
	case int(at) < len(named):
		return req.Member(named[at]), ""
	}

	// Parts of an app instance, some of which it may be allowed for as a whole.
	in := req.Member("AppInstanceArn")
	switch at {
	case everyApp:
		return s.site.AppInstanceARN("*"), ""
	case everyUser:
		return in + "/user/*", in
	case everyBot:
		return in + "/bot/*", in
	case everyFlow:
		return in + "/channel-flow/*", in
	case userToBe:
		return in + "/user/" + req.Member("AppInstanceUserId"), in
	case channelToBe:
		if id := req.Member("ChannelId"); id != "" {
			return in + "/channel/" + id, ""
		}
		return in + "/channel/*", ""
	}
	return "", ""
}

// more appends the further actions of compound calls (spec 2.5).

func (s *Service) more(list []need, req api.Request) []need {
	also := func(given bool, action string, parts ...part) {
		for _, at := range parts {
			if given {
				arn, or := s.name(at, req)
				list = append(list, need{action: action, arn: arn, or: or})
			}
		}
	}

	const tag = "chime:TagResource"
	switch r := req.(type) {
	case *messaging.CreateChannelRequest:
		also(len(r.MemberARNs) > 0, "chime:CreateChannelMembership", bearer, channelToBe)
		also(len(r.ModeratorARNs) > 0, "chime:CreateChannelModerator", bearer, channelToBe)
		also(r.ExpirationSettings != nil, "chime:PutChannelExpirationSettings", bearer, channelToBe)
		also(len(r.Tags) > 0, tag, channelToBe)
	case *messaging.CreateChannelFlowRequest:
		also(len(r.Tags) > 0, tag, everyFlow)
	case *messaging.PutMessagingStreamingConfigurationsRequest:
		for _, stream := range r.StreamingConfigurations { // what the export will do there
			list = append(list, need{action: "kinesis:DescribeStream", arn: stream.ResourceARN},
				need{action: "kinesis:PutRecord", arn: stream.ResourceARN})
		}

	case *identity.CreateAppInstanceRequest:
		also(len(r.Tags) > 0, tag, everyApp)
	case *identity.CreateAppInstanceUserRequest:
		also(r.ExpirationSettings != nil, "chime:PutAppInstanceUserExpirationSettings", userToBe)
		also(len(r.Tags) > 0, tag, userToBe)
	case *identity.CreateAppInstanceBotRequest:
		also(len(r.Tags) > 0, tag, everyBot)
	case *identity.RegisterAppInstanceUserEndpointRequest:
		list = append(list, need{action: "mobiletargeting:GetApp", arn: r.ResourceARN})
	}
	return list
}
