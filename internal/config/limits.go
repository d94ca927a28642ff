package config

import "strings"

// The profiles of limits.
const (
	LimitsRelaxed = "relaxed" // ten times AWS's resources, no rates
	LimitsAWS     = "aws"     // AWS's numbers
)

// Limits are the most resources of a kind (spec 11.1). Zero is no limit.
type Limits struct {
	AppInstances int `key:"limit-app-instances" default:"1000" aws:"100" doc:"App instances of the account. 0 is no limit."`
	Users        int `key:"limit-users-per-app-instance" default:"1000000" aws:"100000" doc:"Users of an app instance. 0 is no limit."`
	Admins       int `key:"limit-admins-per-app-instance" default:"1000" aws:"100" doc:"Admins of an app instance. 0 is no limit."`
	Endpoints    int `key:"limit-endpoints-per-user" default:"100" aws:"10" doc:"Device endpoints of a user. 0 is no limit."`
	Channels     int `key:"limit-channels-per-app-instance" default:"100000000" aws:"10000000" doc:"Channels of an app instance. 0 is no limit."`
	Members      int `key:"limit-members-per-channel" default:"100000" aws:"10000" doc:"Memberships of a standard channel. 0 is no limit."`
	Memberships  int `key:"limit-memberships-per-user" default:"200000" aws:"20000" doc:"Memberships of a user or bot. 0 is no limit."`
	Moderators   int `key:"limit-moderators-per-channel" default:"10000" aws:"1000" doc:"Moderators of a channel. 0 is no limit."`
	Elastic      int `key:"limit-elastic-channels-per-app-instance" default:"10" aws:"1" doc:"Elastic channels of an app instance. 0 is no limit."`
	SubChannels  int `key:"limit-sub-channels-per-channel" default:"1000" aws:"100" doc:"Sub-channels that an elastic channel may be made for. 0 is no limit but that of 1000000 members in all."`
	SubMembers   int `key:"limit-members-per-sub-channel" default:"10000" aws:"1000" doc:"Memberships of one sub-channel that an elastic channel may be made for. 0 is no limit but that of 1000000 members in all."`
	Flows        int `key:"limit-flows-per-app-instance" default:"1000" aws:"100" doc:"Channel flows of an app instance. 0 is no limit."`
	Processors   int `key:"limit-processors-per-flow" default:"10" aws:"1" doc:"Processors of a channel flow; the API takes three at most. 0 is no limit."`
}

// Rates are the most calls a second, with a burst of two seconds of them (spec 11.2, 11.3). Zero
// switches a rate off.
type Rates struct {
	ChangeAppInstances  int `key:"rate-change-app-instances" default:"0" aws:"5" doc:"CreateAppInstance, UpdateAppInstance and DeleteAppInstance together, in calls a second for the account. 0 is off."`
	ChangeUsers         int `key:"rate-change-users" default:"0" aws:"10" doc:"CreateAppInstanceUser, UpdateAppInstanceUser and DeleteAppInstanceUser together, in calls a second for one app instance. 0 is off."`
	DescribeAppInstance int `key:"rate-describe-app-instance" default:"0" aws:"20" doc:"DescribeAppInstance, in calls a second for one app instance. 0 is off."`
	DescribeUser        int `key:"rate-describe-user" default:"0" aws:"20" doc:"DescribeAppInstanceUser, in calls a second for one user. 0 is off."`
	ListAppInstances    int `key:"rate-list-app-instances" default:"0" aws:"10" doc:"ListAppInstances, in calls a second for the account. 0 is off."`
	ListUsers           int `key:"rate-list-users" default:"0" aws:"10" doc:"ListAppInstanceUsers, in calls a second for one app instance. 0 is off."`
	Identity            int `key:"rate-identity" default:"0" aws:"50" doc:"All identity calls together, in calls a second for the account. 0 is off."`

	ChangeChannels       int `key:"rate-change-channels" default:"0" aws:"15" doc:"CreateChannel, UpdateChannel and DeleteChannel together, in calls a second for one app instance. 0 is off."`
	ListChannels         int `key:"rate-list-channels" default:"0" aws:"10" doc:"ListChannels, in calls a second for one app instance. 0 is off."`
	DescribeChannel      int `key:"rate-describe-channel" default:"0" aws:"20" doc:"DescribeChannel, in calls a second for one channel. 0 is off."`
	ChangeMembers        int `key:"rate-change-members" default:"0" aws:"15" doc:"Creating and deleting memberships, bans and moderators together, in calls a second for one standard channel. 0 is off."`
	ChangeMembersElastic int `key:"rate-change-members-elastic" default:"0" aws:"30" doc:"The same for one elastic channel. 0 is off."`
	ListMembers          int `key:"rate-list-members" default:"0" aws:"15" doc:"ListChannelMemberships, ListChannelBans and ListChannelModerators together, in calls a second for one channel. 0 is off."`
	SendMessage          int `key:"rate-send-message" default:"0" aws:"30" doc:"SendChannelMessage, UpdateChannelMessage, RedactChannelMessage, DeleteChannelMessage and each ChannelFlowCallback that changes a message together, in calls a second for one channel or sub-channel. 0 is off."`
	ListMessages         int `key:"rate-list-messages" default:"0" aws:"30" doc:"ListChannelMessages, in calls a second for one channel or sub-channel. 0 is off."`
	GetMessage           int `key:"rate-get-message" default:"0" aws:"30" doc:"GetChannelMessage, in calls a second for one channel or sub-channel. 0 is off."`
	ListChannelsOfUser   int `key:"rate-list-channels-of-user" default:"0" aws:"15" doc:"ListChannelMembershipsForAppInstanceUser and ListChannelsModeratedByAppInstanceUser together, in calls a second for one user. 0 is off."`
	ListSubChannels      int `key:"rate-list-sub-channels" default:"0" aws:"15" doc:"ListSubChannels, in calls a second for one channel. 0 is off."`
	Batch                int `key:"rate-batch" default:"0" aws:"1" doc:"BatchCreateChannelMembership, in calls a second for one channel. 0 is off."`
	Bearer               int `key:"rate-bearer" default:"0" aws:"10" doc:"All messaging calls together, in calls a second for one ChimeBearer. 0 is off."`
	Connect              int `key:"rate-connect" default:"0" aws:"1" doc:"WebSockets that one user opens, over all sessions, a second. One more waits for its turn up to 5 seconds, and is closed with 4005 when that is not enough. 0 is off."`
}

const (
	limitPrefix = "limit-"
	ratePrefix  = "rate-"

	maxLimit = 1_000_000_000_000
	maxRate  = 1_000_000
)

// RatesByName are the rates that are set, by the names of their settings.
func (c *Config) RatesByName() map[string]int {
	rates := make(map[string]int)
	for _, s := range settings {
		if strings.HasPrefix(s.Key, ratePrefix) {
			rates[s.Key] = s.number(c)
		}
	}
	return rates
}

// checkLimits checks the numbers of both profiles.
func (c *Config) checkLimits(fault func(key string, err error)) {
	fault("limits", oneOf(c.Profile, LimitsRelaxed, LimitsAWS))
	for _, s := range settings {
		switch {
		case strings.HasPrefix(s.Key, limitPrefix):
			fault(s.Key, within(s.number(c), 0, maxLimit))
		case strings.HasPrefix(s.Key, ratePrefix):
			fault(s.Key, within(s.number(c), 0, maxRate))
		}
	}
}
