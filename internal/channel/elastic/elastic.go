// Package elastic checks, reads and shows the configurations of elastic channels.
package elastic

import (
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
)

// Check applies the rules for making an elastic channel (spec 6.1, 6.8). Zero limits are none.
func Check(req *messaging.CreateChannelRequest, subChannels, membersOfEach int) error {
	e, member := req.ElasticChannelConfiguration, "ElasticChannelConfiguration"
	switch {
	case e == nil:
		return nil
	case req.Mode == messaging.ChannelModeUnrestricted:
		return api.BadRequest("Mode", "must be RESTRICTED: the channel is elastic")
	case len(req.MemberARNs) > 0:
		return api.BadRequest("MemberArns", "must be absent: the channel is elastic")
	case e.MaximumSubChannels > maxMembers/e.TargetMembershipsPerSubChannel:
		return api.BadRequest(member, "allows for more than %d members", maxMembers)
	}

	if limit := subChannels; limit > 0 && e.MaximumSubChannels > limit {
		return api.ResourceLimitExceeded("%s.MaximumSubChannels is over the limit of %d sub-channels per elastic channel", member, limit)
	}
	if limit := membersOfEach; limit > 0 && e.TargetMembershipsPerSubChannel > limit {
		return api.ResourceLimitExceeded("%s.TargetMembershipsPerSubChannel is over the limit of %d memberships per sub-channel", member, limit)
	}
	return nil
}

// maxMembers is the most that sub-channels times members of each may be, without moderators.
// AWS never raises it.
const maxMembers = 1_000_000

// New is what is kept of a configuration, nil for nil.
func New(e *messaging.ElasticChannelConfiguration) *chime.Elastic {
	if e == nil {
		return nil
	}
	return &chime.Elastic{
		MaximumSubChannels: e.MaximumSubChannels, TargetMemberships: e.TargetMembershipsPerSubChannel,
		MinimumMembershipPct: e.MinimumMembershipPercentage, Indexed: true, Adopted: true,
	}
}

// Show is a configuration as the API has it, nil for nil.
func Show(e *chime.Elastic) *messaging.ElasticChannelConfiguration {
	if e == nil {
		return nil
	}
	return &messaging.ElasticChannelConfiguration{
		MaximumSubChannels: e.MaximumSubChannels, TargetMembershipsPerSubChannel: e.TargetMemberships,
		MinimumMembershipPercentage: e.MinimumMembershipPct,
	}
}
