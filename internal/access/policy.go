package access

import "github.com/carillon-chat/carillon/internal/iam"

var rootPolicy = []*iam.Document{{Statements: []iam.Statement{
	{Effect: iam.Allow, Actions: []string{"*"}, Resources: []string{"*"}},
}}}

// userActions is what an application's end user does as itself and in channels: the policy of
// the public demo (spec 2.6).
var userActions = []string{
	"chime:Connect",
	"chime:AssociateChannelFlow", "chime:DisassociateChannelFlow", "chime:DescribeChannelFlow", "chime:ListChannelFlows",
	"chime:BatchCreateChannelMembership", "chime:CreateChannelMembership", "chime:DeleteChannelMembership",
	"chime:DescribeChannelMembership", "chime:DescribeChannelMembershipForAppInstanceUser",
	"chime:ListChannelMemberships", "chime:ListChannelMembershipsForAppInstanceUser",
	"chime:GetChannelMembershipPreferences", "chime:PutChannelMembershipPreferences",
	"chime:CreateChannel", "chime:DescribeChannel", "chime:UpdateChannel", "chime:DeleteChannel", "chime:ListChannels",
	"chime:SearchChannels", "chime:ListSubChannels", "chime:PutChannelExpirationSettings",
	"chime:CreateChannelBan", "chime:DeleteChannelBan", "chime:DescribeChannelBan", "chime:ListChannelBans",
	"chime:CreateChannelModerator", "chime:DeleteChannelModerator", "chime:DescribeChannelModerator", "chime:ListChannelModerators",
	"chime:DescribeChannelModeratedByAppInstanceUser", "chime:ListChannelsModeratedByAppInstanceUser",
	"chime:SendChannelMessage", "chime:GetChannelMessage", "chime:GetChannelMessageStatus", "chime:ListChannelMessages",
	"chime:UpdateChannelMessage", "chime:RedactChannelMessage", "chime:DeleteChannelMessage", "chime:UpdateChannelReadMarker",
	"chime:RegisterAppInstanceUserEndpoint", "chime:UpdateAppInstanceUserEndpoint", "chime:DescribeAppInstanceUserEndpoint",
	"chime:ListAppInstanceUserEndpoints", "chime:DeregisterAppInstanceUserEndpoint",
}

// userPolicy limits a session to one user of one app instance.
func userPolicy(appInstanceARN, userARN string) []*iam.Document {
	return []*iam.Document{{Statements: []iam.Statement{
		{Effect: iam.Allow, Actions: []string{"chime:GetMessagingSessionEndpoint"}, Resources: []string{"*"}},
		{Effect: iam.Allow, Actions: userActions,
			Resources: []string{userARN, appInstanceARN + "/channel/*", appInstanceARN + "/channel-flow/*"}},
		{Effect: iam.Allow, Actions: []string{"chime:ListAppInstanceUsers", "chime:DescribeAppInstanceUser"},
			Resources: []string{appInstanceARN + "/user/*"}},
	}}}
}
