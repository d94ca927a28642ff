// Package reasons has the words in which a call on a channel is refused by a rule of roles: which callers
// may call the operation.
package reasons

// Of is the reason of an operation, on an elastic channel or another one.
func Of(operation string, isElastic bool) string {
	if reason, found := elastic[operation]; found && isElastic {
		return reason
	}
	return general[operation]
}

// general are, by operation on a channel, which callers may call it, for those that may not.
var general = map[string]string{
	"UpdateChannel":                "only moderators and app instance admins may update a channel",
	"DeleteChannel":                "only moderators and app instance admins may delete a channel",
	"PutChannelExpirationSettings": "only moderators and app instance admins may set the expiration of a channel",
	"ListSubChannels":              "only moderators and app instance admins may list sub-channels",
	"AssociateChannelFlow":         "only moderators and app instance admins may give a channel a flow",
	"DisassociateChannelFlow":      "only moderators and app instance admins may take the flow of a channel away",

	"CreateChannelModerator":   "only moderators and app instance admins may add moderators",
	"DeleteChannelModerator":   "only moderators and app instance admins may remove moderators",
	"DescribeChannelModerator": "only moderators and app instance admins may see moderators",
	"ListChannelModerators":    "only moderators and app instance admins may list moderators",
	"CreateChannelBan":         "only moderators and app instance admins may ban",
	"DeleteChannelBan":         "only moderators and app instance admins may lift a ban",
	"DescribeChannelBan":       "only moderators and app instance admins may see bans",
	"ListChannelBans":          "only moderators and app instance admins may list bans",

	"CreateChannelMembership":      toAdd,
	"BatchCreateChannelMembership": toAdd,
	"DeleteChannelMembership":      "only moderators, app instance admins and, in an UNRESTRICTED channel, members may remove others",
	"DescribeChannelMembership":    "hidden members may see no membership but their own",
	"ListChannelMemberships":       "hidden members may list no members, and only moderators and app instance admins may list hidden ones",

	"DescribeChannelModeratedByAppInstanceUser": "only members, moderators and app instance admins may ask about others",

	"GetChannelMembershipPreferences": "only members have preferences, and each may see its own alone",
	"PutChannelMembershipPreferences": "only members have preferences, and each may set its own alone",
	"UpdateChannelReadMarker":         "only members have a read marker",

	"SendChannelMessage":   "only members who are not hidden may send messages",
	"UpdateChannelMessage": "only the sender may edit a message, while it is a member who is not hidden, a moderator or an app instance admin",
	"RedactChannelMessage": "only moderators, app instance admins and, while it is a member who is not hidden, the sender may redact a message",
	"DeleteChannelMessage": "only app instance admins may delete messages",
}

const toAdd = "only moderators and app instance admins may add HIDDEN members, and others to a RESTRICTED channel; " +
	"members may add others to an UNRESTRICTED channel"

// elastic are those that elastic channels have of their own.
var elastic = map[string]string{
	"ListChannelMemberships":    "only members of the sub-channel, moderators and app instance admins may list its members",
	"DescribeChannelMembership": "only members of the sub-channel, moderators and app instance admins may see its memberships",
	"ListChannelMessages":       toRead,
	"GetChannelMessage":         toRead,
	"GetChannelMessageStatus":   toRead,
	"SendChannelMessage":        "only members of the sub-channel may send messages there",
	"UpdateChannelMessage":      "only the sender may edit a message, while it is a member of the sub-channel",
}

const toRead = "only members of the sub-channel, moderators and app instance admins may read its messages"
