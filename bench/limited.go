//go:build linux

package main

import (
	"context"
	"strings"

	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// endUser is the policy of the application that AWS publishes as a sample (spec 2.6): some forty
// actions on one user and on all channels of its app instance.
const endUser = `{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":"chime:GetMessagingSessionEndpoint","Resource":"*"},
 {"Effect":"Allow","Action":["chime:AssociateChannelFlow","chime:BatchCreateChannelMembership","chime:Connect","chime:CreateChannel",
  "chime:CreateChannelBan","chime:CreateChannelMembership","chime:CreateChannelModerator","chime:DeleteChannel","chime:DeleteChannelBan",
  "chime:DeleteChannelMembership","chime:DeleteChannelMessage","chime:DeleteChannelModerator","chime:DescribeChannel","chime:DescribeChannelBan",
  "chime:DescribeChannelFlow","chime:DescribeChannelMembership","chime:DescribeChannelMembershipForAppInstanceUser",
  "chime:DescribeChannelModeratedByAppInstanceUser","chime:DescribeChannelModerator","chime:DisassociateChannelFlow",
  "chime:GetChannelMembershipPreferences","chime:GetChannelMessage","chime:GetChannelMessageStatus","chime:ListChannelBans",
  "chime:ListChannelFlows","chime:ListChannelMemberships","chime:ListChannelMembershipsForAppInstanceUser","chime:ListChannelMessages",
  "chime:ListChannelModerators","chime:ListChannels","chime:ListChannelsModeratedByAppInstanceUser","chime:ListSubChannels",
  "chime:PutChannelMembershipPreferences","chime:RedactChannelMessage","chime:SearchChannels","chime:SendChannelMessage","chime:UpdateChannel",
  "chime:UpdateChannelMessage","chime:UpdateChannelReadMarker"],
  "Resource":["USER","APP/channel/*","APP/channel-flow/*"]},
 {"Effect":"Allow","Action":["chime:DescribeAppInstanceUser","chime:ListAppInstanceUsers"],"Resource":"APP/user/*"}]}`

// limitedKeys are keys that may only act as the user, under the policy of an end user.
func limitedKeys(ctx context.Context, node lab.Peer, userARN string) (sigv4.Credentials, error) {
	app, _, _ := strings.Cut(userARN, "/user/")
	return node.MakeUser(ctx, "end-user", strings.NewReplacer("USER", userARN, "APP", app).Replace(endUser))
}
