package channel

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/channel/expiration"
	"github.com/carillon-chat/carillon/internal/channel/managers"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// channelRows are the rows of the channel itself, with its entries in the lists of its flow and of what
// expires.
func (s *Service) channelRows(v *Visit) []store.Row {
	app := v.Actor.App
	rows := []store.Row{
		store.Channels.Row(store.K(app, v.Channel.ID), v.Channel),
		store.ChannelsInOrder.Row(store.K(app, string(v.Channel.Privacy)).Num(v.Channel.Order), v.Channel.ID),
	}
	if v.Channel.Elastic != nil {
		rows = append(rows, store.Counter{
			Key: store.K(app, "elastic channels"), Limit: s.limits.ElasticChannelsPerApp, What: "elastic channels per app instance",
		})
	}
	rows = append(rows, store.Counter{
		Key: store.K(app, "channels"), Limit: s.limits.ChannelsPerApp, What: "channels per app instance",
	})
	return slices.Concat(rows, v.flowRows(), expiration.Rows(app, &v.Channel))
}

// flowRows are the channel's entry in the list of its flow, if it has one, in order of the channels'
// creation.
func (v *Visit) flowRows() []store.Row {
	if v.Channel.Flow == "" {
		return nil
	}
	key := store.K(v.Actor.App, v.Channel.Flow).Num(v.Channel.Order).Str(v.Channel.UID)
	return []store.Row{store.FlowChannels.Row(key, v.entry())}
}

// memberRows are the rows of a membership.
func (s *Service) memberRows(v *Visit, m chime.Membership) []store.Row {
	order := v.Prefix().Str(string(m.Type)).Num(m.Order).Str(string(m.Ref))
	return append(v.subMemberRows(m),
		store.MembersInOrder.Row(order, m.Ref),
		s.members(v),
		s.memberships(v.Actor.App, m.Ref),
	)
}

// subMemberRows are those rows of a membership that change when it moves to another sub-channel.
func (v *Visit) subMemberRows(m chime.Membership) []store.Row {
	entry := v.entry()
	entry.Sub = m.Sub
	rows := []store.Row{
		store.Memberships.Row(v.memberKey(m.Ref, m.Sub), m),
		store.MembershipsOf.Row(v.entryKey(m.Ref, m.Order), entry),
	}
	if m.Sub != "" {
		rows = append(rows,
			store.MembersInOrder.Row(v.subMembers(m.Sub).Num(m.Order).Str(string(m.Ref)), m.Ref),
			store.MemberSubChannels.Row(v.key(m.Ref), m.Sub), // not read of moderators, which have several
		)
	}
	return rows
}

// members counts the members of the channel. Sub-channels have limits of their own.
func (s *Service) members(v *Visit) store.Counter {
	c := store.Counter{Key: v.Prefix().Str("members"), Limit: s.limits.MembersPerChannel, What: "members per channel"}
	if v.Channel.Elastic != nil {
		c.Limit = 0
	}
	return c
}

// memberships counts the memberships of a user or bot.
func (s *Service) memberships(app string, ref chime.Ref) store.Counter {
	return store.Counter{Key: store.K(app, string(ref), "memberships"), Limit: s.limits.MembershipsPerUser, What: "memberships per user"}
}

// moderatorRows are the rows of a moderator role.
func (s *Service) moderatorRows(v *Visit, m chime.Moderator) []store.Row {
	return []store.Row{
		store.Moderators.Row(v.key(m.Ref), m),
		store.ModeratorsInOrder.Row(v.Prefix().Num(m.Order).Str(string(m.Ref)), m.Ref),
		store.ModeratedBy.Row(v.entryKey(m.Ref, m.Order), v.entry()),
		store.Counter{Key: managers.Count(v.Actor.App, v.Channel.UID), Limit: s.limits.ModeratorsPerChannel, What: "moderators per channel"},
	}
}

// banRows are the rows of a ban.
func (v *Visit) banRows(b chime.Ban) []store.Row {
	return []store.Row{
		store.Bans.Row(v.key(b.Ref), b),
		store.BansInOrder.Row(v.Prefix().Num(b.Order).Str(string(b.Ref)), b.Ref),
		store.BansOf.Row(v.entryKey(b.Ref, b.Order), v.entry()),
	}
}
