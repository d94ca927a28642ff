package access

import (
	"encoding/json"
	"fmt"

	"github.com/carillon-chat/carillon/internal/iam"
)

// rootPolicy lets the root key do everything.
func rootPolicy() (*iam.Set, error) {
	return policySet("root", []statement{{[]string{"*"}, []string{"*"}}})
}

// statement is one allow.
type statement struct{ actions, resources []string }

// policySet makes the policy that is written in AWS's language too, so that there is one way only
// in which something is allowed.
func policySet(name string, allowed []statement) (*iam.Set, error) {
	type element struct {
		Effect           iam.Effect
		Action, Resource []string
	}
	var document struct {
		Version   string
		Statement []element
	}
	document.Version = iam.Version2012
	for _, s := range allowed {
		document.Statement = append(document.Statement, element{iam.Allow, s.actions, s.resources})
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	parsed, err := iam.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	return &iam.Set{Identity: []iam.Policy{{Name: "policy " + name, Document: parsed}}}, nil
}

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
func userPolicy(appInstanceARN, userARN string) (*iam.Set, error) {
	return policySet("user session", []statement{
		{[]string{"chime:GetMessagingSessionEndpoint"}, []string{"*"}},
		{userActions, []string{userARN, appInstanceARN + "/channel/*", appInstanceARN + "/channel-flow/*"}},
		{[]string{"chime:ListAppInstanceUsers", "chime:DescribeAppInstanceUser"}, []string{appInstanceARN + "/user/*"}},
	})
}
