package channel

import (
	"errors"

	"github.com/carillon-chat/carillon/internal/api"
)

// ErrRole is the refusal of a caller by a rule of roles, when the caller may know the channel.
// Explain adds the reason.
var ErrRole error = api.Forbidden("you are not allowed to do this in the channel")

// require is nil when allowed, else ErrRole.
func require(allowed bool) error {
	if allowed {
		return nil
	}
	return ErrRole
}

// Explain names the caller, the operation and the reason of a refusal by a rule of roles, in the
// words of IAM. Other errors, and nil, stay as they are; so do those of a call that found no
// channel, whose Visit is nil.
func (v *Visit) Explain(operation string, err error) error {
	if v == nil || !errors.Is(err, ErrRole) {
		return err
	}
	return refusal(v.RefARN(v.Actor.Ref), operation, v.ARN(), v.reason(operation))
}

func refusal(caller, operation, resource, reason string) error {
	return api.Forbidden("User: %s is not authorized to perform: %s on resource: %s because %s", caller, operation, resource, reason)
}

func (v *Visit) reason(operation string) string {
	if v.Banned {
		return "it is banned from the channel"
	}
	if reason, found := elasticReasons[operation]; found && v.Channel.Elastic != nil {
		return reason
	}
	return reasons[operation]
}

// reasons are, by operation on a channel, which callers may call it, for those that may not.
var reasons = map[string]string{
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

	"CreateChannelMembership":      reasonAdd,
	"BatchCreateChannelMembership": reasonAdd,
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

const reasonAdd = "only moderators and app instance admins may add HIDDEN members, and others to a RESTRICTED channel; " +
	"members may add others to an UNRESTRICTED channel"

// elasticReasons are those that elastic channels have of their own.
var elasticReasons = map[string]string{
	"ListChannelMemberships":    "only members of the sub-channel, moderators and app instance admins may list its members",
	"DescribeChannelMembership": "only members of the sub-channel, moderators and app instance admins may see its memberships",
	"ListChannelMessages":       reasonRead,
	"GetChannelMessage":         reasonRead,
	"GetChannelMessageStatus":   reasonRead,
	"SendChannelMessage":        "only members of the sub-channel may send messages there",
	"UpdateChannelMessage":      "only the sender may edit a message, while it is a member of the sub-channel",
}

const reasonRead = "only members of the sub-channel, moderators and app instance admins may read its messages"
