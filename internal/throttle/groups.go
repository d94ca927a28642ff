package throttle

import (
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// group is calls that share a rate.
type group struct {
	name       string   // of the rate, which is also the name of its setting
	elastic    string   // of the rate for elastic channels, where that is another
	service    string   // as api.Operation has it
	operations []string // none: every operation of the service
	per        scope
	only       func(api.Request) bool // which of these calls are counted; nil: all
}

const (
	identityAPI  = "chime-sdk-identity"
	messagingAPI = "chime-sdk-messaging"
)

// rateConnect is the rate of WebSockets of one user, which no operation opens.
const rateConnect = "rate-connect"

// groups are the tables of spec 11.2 and 11.3.
var groups = []group{
	{name: "rate-change-app-instances", service: identityAPI, per: account,
		operations: []string{"CreateAppInstance", "UpdateAppInstance", "DeleteAppInstance"}},
	{name: "rate-change-users", service: identityAPI, per: appInstance,
		operations: []string{"CreateAppInstanceUser", "UpdateAppInstanceUser", "DeleteAppInstanceUser"}},
	{name: "rate-describe-app-instance", service: identityAPI, per: appInstance, operations: []string{"DescribeAppInstance"}},
	{name: "rate-describe-user", service: identityAPI, per: user, operations: []string{"DescribeAppInstanceUser"}},
	{name: "rate-list-app-instances", service: identityAPI, per: account, operations: []string{"ListAppInstances"}},
	{name: "rate-list-users", service: identityAPI, per: appInstance, operations: []string{"ListAppInstanceUsers"}},
	{name: "rate-identity", service: identityAPI, per: account},

	{name: "rate-change-channels", service: messagingAPI, per: appInstance,
		operations: []string{"CreateChannel", "UpdateChannel", "DeleteChannel"}},
	{name: "rate-list-channels", service: messagingAPI, per: appInstance, operations: []string{"ListChannels"}},
	{name: "rate-describe-channel", service: messagingAPI, per: channel, operations: []string{"DescribeChannel"}},
	{name: "rate-change-members", elastic: "rate-change-members-elastic", service: messagingAPI, per: channel,
		operations: []string{
			"CreateChannelMembership", "DeleteChannelMembership", "CreateChannelBan", "DeleteChannelBan",
			"CreateChannelModerator", "DeleteChannelModerator",
		}},
	{name: "rate-list-members", service: messagingAPI, per: channel,
		operations: []string{"ListChannelMemberships", "ListChannelBans", "ListChannelModerators"}},
	{name: "rate-send-message", service: messagingAPI, per: subChannel, only: changesMessage,
		operations: []string{
			"SendChannelMessage", "UpdateChannelMessage", "RedactChannelMessage", "DeleteChannelMessage", "ChannelFlowCallback",
		}},
	{name: "rate-list-messages", service: messagingAPI, per: subChannel, operations: []string{"ListChannelMessages"}},
	{name: "rate-get-message", service: messagingAPI, per: subChannel, operations: []string{"GetChannelMessage"}},
	{name: "rate-list-channels-of-user", service: messagingAPI, per: user,
		operations: []string{"ListChannelMembershipsForAppInstanceUser", "ListChannelsModeratedByAppInstanceUser"}},
	{name: "rate-list-sub-channels", service: messagingAPI, per: channel, operations: []string{"ListSubChannels"}},
	{name: "rate-batch", service: messagingAPI, per: channel, operations: []string{"BatchCreateChannelMembership"}},
	{name: "rate-bearer", service: messagingAPI, per: bearer},
}

// Names are the names of all rates.
func Names() []string {
	names := []string{rateConnect}
	for _, g := range groups {
		names = append(names, g.name)
		if g.elastic != "" {
			names = append(names, g.elastic)
		}
	}
	return names
}

// scope is what a rate is counted for.
type scope struct {
	words string // "one channel"
	// of finds the scope of a call. ARNs have one spelling only, so their text will do. An
	// empty id means that the call has no such scope and is not counted.
	of func(api.Request) (id, part string)
}

var (
	account = scope{"the account", func(api.Request) (string, string) { return "account", "" }}

	appInstance = scope{"one app instance", func(req api.Request) (string, string) {
		for _, member := range [...]string{"AppInstanceArn", "AppInstanceUserArn", "ChannelArn"} {
			if arn := req.Member(member); arn != "" {
				return appOf(arn), ""
			}
		}
		return "", ""
	}}

	channel = scope{"one channel", func(req api.Request) (string, string) { return req.Member("ChannelArn"), "" }}

	subChannel = scope{"one channel or sub-channel", func(req api.Request) (string, string) {
		if callback, ok := req.(*messaging.ChannelFlowCallbackRequest); ok {
			if m := callback.ChannelMessage; m != nil && m.SubChannelID != nil {
				return callback.ChannelARN, *m.SubChannelID
			}
			return callback.ChannelARN, ""
		}
		return req.Member("ChannelArn"), req.Member("SubChannelId")
	}}

	// The bearer stands for itself where a call names no user.
	user = scope{"one user", func(req api.Request) (string, string) {
		if arn := req.Member("AppInstanceUserArn"); arn != "" {
			return arn, ""
		}
		return req.Member("ChimeBearer"), ""
	}}

	bearer = scope{"one ChimeBearer", func(req api.Request) (string, string) { return req.Member("ChimeBearer"), "" }}
)

// appOf is the ARN of the app instance that an ARN is of or under.
func appOf(arn string) string {
	first := strings.IndexByte(arn, '/')
	if second := strings.IndexByte(arn[first+1:], '/'); first >= 0 && second >= 0 {
		return arn[:first+1+second]
	}
	return arn
}

// changesMessage leaves out the callback of a processor that let the message pass as it was.
func changesMessage(req api.Request) bool {
	callback, ok := req.(*messaging.ChannelFlowCallbackRequest)
	if !ok {
		return true
	}
	m := callback.ChannelMessage
	return callback.DeleteResource || m != nil &&
		(m.Content != nil || m.Metadata != nil || m.PushNotification != nil || m.MessageAttributes != nil || m.ContentType != nil)
}
