package store

// Title names a table.
type Title struct {
	ID   TableID
	Name string
}

func (t Table[V]) title() Title { return Title(t) }

// Titles are all tables that a store has but for that of the events, what engines note of themselves, and Moves. In their
// order a log's record is before all that is in the log.
func Titles() []Title {
	return []Title{
		logs.title(), {TableTraces, "traces"},
		AppInstances.title(), Users.title(), Admins.title(), UsersInOrder.title(), AdminsInOrder.title(),
		FormerNames.title(), Channels.title(), ChannelsInOrder.title(), Activities.title(), Memberships.title(),
		MembersInOrder.title(), MembershipsOf.title(), Moderators.title(), ModeratorsInOrder.title(), ModeratedBy.title(),
		Messages.title(), Tags.title(), Tasks.title(), Counts.title(), Bots.title(), BotsInOrder.title(), Endpoints.title(),
		EndpointsInOrder.title(), EndpointOf.title(), Bans.title(), BansInOrder.title(), BansOf.title(), SubChannels.title(),
		SubChannelsInOrder.title(), SubChannelNumbers.title(), Occupancies.title(), Rebalancings.title(),
		MemberSubChannels.title(), Flows.title(), FlowsInOrder.title(), FlowChannels.title(), Streams.title(),
		Expirations.title(), Processings.title(), Callbacks.title(), BotTurns.title(), BotSessions.title(), Pushings.title(),
		Followings.title(), DeadLetters.title(), Erasures.title(), ErasuresOf.title(), Webhooks.title(),
		WebhookDeliveries.title(), WebhookStates.title(), Removals.title(), LogMarks.title(), AppInstancesInOrder.title(),
		AccountUsers.title(), AccessKeys.title(), AccessKeysOf.title(), Roles.title(), InlinePolicies.title(),
		Policies.title(), Attachments.title(), AttachmentsOf.title(), OIDCProviders.title(), Keyring.title(),
		PoolIdentities.title(), PoolIdentityFor.title(), Nodes.title(), Leases.title(), Replies.title(),
	}
}
