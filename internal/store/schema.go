package store

import "github.com/carillon-chat/carillon/internal/chime"

// TableID names a table. Engines keep tables apart; ids are part of the stored format and one
// is never reused.
type TableID uint8

// Tables that engines keep for themselves.
const (
	TableEvents TableID = 1  // app, position of the last -> events that follow one another: the logs
	TableMeta   TableID = 2  // name: format version and the like
	TableTraces TableID = 38 // app, part of the log, ...: the readers of events, see Trace
	TableLogs   TableID = 45 // app -> what is known of a log: see Log
)

// The tables of app instances, with the columns of each key. Everything of an app instance is
// under its id and everything of a channel under its UID, so that each can be removed as one
// range. Where the app is empty the record is the account's. An "order" column is the position in the
// log of the event of the creation, so lists are in order of creation and then of id.
var (
	AppInstances  = Table[chime.AppInstance]{ID: 3, Name: "app instances"} // app
	Users         = Table[chime.User]{ID: 4, Name: "users"}                // app, user id
	Admins        = Table[chime.Admin]{ID: 5, Name: "admins"}              // app, ref
	UsersInOrder  = Table[string]{ID: 6, Name: "users in order"}           // app, order
	AdminsInOrder = Table[chime.Ref]{ID: 7, Name: "admins in order"}       // app, order
	FormerNames   = Table[string]{ID: 9, Name: "former names"}             // app, ref, order of its creation -> last name of a deleted user or bot; older ones without the order

	Channels          = Table[chime.Channel]{ID: 10, Name: "channels"}                          // app, channel id
	ChannelsInOrder   = Table[string]{ID: 11, Name: "channels in order"}                        // app, privacy, order
	Activities        = Table[chime.Activity]{ID: 12, Name: "channel activity"}                 // app, uid[, sub-channel]
	Memberships       = Table[chime.Membership]{ID: 13, Name: "memberships"}                    // app, uid, ref[, sub-channel]
	MembersInOrder    = Table[chime.Ref]{ID: 14, Name: "members in order"}                      // app, uid, type or "sub "+sub-channel, order, ref
	MembershipsOf     = Table[chime.ChannelEntry]{ID: 15, Name: "memberships of a user"}        // app, ref, order, uid
	Moderators        = Table[chime.Moderator]{ID: 16, Name: "moderators"}                      // app, uid, ref
	ModeratorsInOrder = Table[chime.Ref]{ID: 17, Name: "moderators in order"}                   // app, uid, order, ref
	ModeratedBy       = Table[chime.ChannelEntry]{ID: 18, Name: "channels moderated by a user"} // app, ref, order, uid

	Messages = Table[chime.Message]{ID: 19, Name: "messages"}      // app, uid, [sub-channel,] message id
	Tags     = Table[[]chime.Tag]{ID: 21, Name: "tags"}            // app, kind, id
	Tasks    = Table[chime.Task]{ID: 22, Name: "background tasks"} // app, subject
	Counts   = Table[uint64]{ID: 23, Name: "counts"}               // app (empty: the service), what

	Bots             = Table[chime.Bot]{ID: 24, Name: "bots"}                         // app, bot id
	BotsInOrder      = Table[string]{ID: 25, Name: "bots in order"}                   // app, order
	Endpoints        = Table[chime.Endpoint]{ID: 26, Name: "device endpoints"}        // app, ref, endpoint id
	EndpointsInOrder = Table[string]{ID: 27, Name: "device endpoints in order"}       // app, ref, order
	EndpointOf       = Table[chime.EndpointEntry]{ID: 28, Name: "endpoint of device"} // app, type, hash of the device token

	Bans        = Table[chime.Ban]{ID: 29, Name: "bans"}                      // app, uid, ref
	BansInOrder = Table[chime.Ref]{ID: 30, Name: "bans in order"}             // app, uid, order, ref
	BansOf      = Table[chime.ChannelEntry]{ID: 31, Name: "bans of somebody"} // app, ref, order, uid

	SubChannels        = Table[chime.SubChannel]{ID: 32, Name: "sub-channels"}                 // app, uid, sub-channel id
	SubChannelsInOrder = Table[string]{ID: 33, Name: "sub-channels in order"}                  // app, uid, order
	SubChannelNumbers  = Table[string]{ID: 60, Name: "numbers of sub-channels"}                // app, uid, number
	Occupancies        = Table[[]byte]{ID: 61, Name: "occupancy of sub-channels"}              // app, uid, level, node: see package channel/occupancy
	Rebalancings       = Table[chime.Rebalancing]{ID: 62, Name: "rebalancing of sub-channels"} // app, uid
	MemberSubChannels  = Table[string]{ID: 63, Name: "sub-channels of members"}                // app, uid, ref -> the sub-channel of a member that is no moderator

	Flows        = Table[chime.Flow]{ID: 34, Name: "channel flows"}                // app, flow id
	FlowsInOrder = Table[string]{ID: 35, Name: "channel flows in order"}           // app, order
	FlowChannels = Table[chime.ChannelEntry]{ID: 36, Name: "channels with a flow"} // app, flow id, order, uid
	Streams      = Table[[]chime.Stream]{ID: 37, Name: "streaming settings"}       // app

	Expirations = Table[string]{ID: 64, Name: "expirations"} // app, ms of the time, ref or "channel/"+uid -> user or channel id: see Expiring

	Processings = Table[chime.Processing]{ID: 70, Name: "messages in channel flows"} // app, uid, [sub-channel,] message id
	Callbacks   = Table[chime.Callback]{ID: 71, Name: "callbacks of channel flows"}  // app, CallbackId

	BotTurns    = Table[chime.BotTurn]{ID: 72, Name: "turns of bots"}            // app, position of the event, bot id, session
	BotSessions = Table[chime.BotSession]{ID: 73, Name: "conversations of bots"} // app, uid, bot id, session

	Pushings = Table[chime.Pushing]{ID: 80, Name: "progress of push notifications"} // app, follower

	Followings  = Table[chime.Following]{ID: 39, Name: "positions of followers"} // app, follower
	DeadLetters = Table[chime.DeadLetter]{ID: 40, Name: "dead letters"}          // app, follower, position

	Erasures   = Table[chime.Erasure]{ID: 110, Name: "erasures"}   // app, id
	ErasuresOf = Table[string]{ID: 111, Name: "erasures of users"} // app, user id -> id of the erasure that is under way

	Webhooks          = Table[chime.Webhook]{ID: 90, Name: "webhooks"}                        // app, webhook id
	WebhookDeliveries = Table[chime.WebhookDelivery]{ID: 91, Name: "webhook deliveries"}      // app, webhook id, position, number
	WebhookStates     = Table[chime.DeliveryID]{ID: 92, Name: "webhook deliveries by status"} // app, webhook id, status, position, number: all but those that are done

	Removals = Table[uint64]{ID: 46, Name: "removals to erase"} // app[, uid] -> position of the log at the latest of them
	LogMarks = Table[uint64]{ID: 47, Name: "marks of the log"}  // app, ms of store time -> position of the latest event then

	Moves = Table[chime.Move]{ID: 102, Name: "progress of a move"} // app: how far it was copied from another store, see package store/move
)

// Replies are written by transactions of app instances and of the account alike.
var Replies = Table[chime.Reply]{ID: 20, Name: "client request tokens"} // start of the window in ms of store time, hash of scope and token as two numbers

// The tables of the account, which no app instance owns. Names of users, roles and policies are
// in lower case in keys, because IAM compares them without regard to case.
var (
	AppInstancesInOrder = Table[string]{ID: 8, Name: "app instances in order"} // order

	AccountUsers    = Table[chime.AccountUser]{ID: 48, Name: "account users"}      // name
	AccessKeys      = Table[chime.AccessKey]{ID: 49, Name: "access keys"}          // access key id
	AccessKeysOf    = Table[string]{ID: 50, Name: "access keys of a user"}         // user name, access key id
	Roles           = Table[chime.Role]{ID: 51, Name: "roles"}                     // name
	InlinePolicies  = Table[chime.InlinePolicy]{ID: 52, Name: "inline policies"}   // entity kind, entity name, policy name as given
	Policies        = Table[chime.ManagedPolicy]{ID: 53, Name: "managed policies"} // name
	Attachments     = Table[string]{ID: 54, Name: "attached policies"}             // entity kind, entity name, policy ARN -> policy ARN
	AttachmentsOf   = Table[chime.Entity]{ID: 55, Name: "entities of a policy"}    // policy ARN, entity kind, entity name
	OIDCProviders   = Table[chime.OIDCProvider]{ID: 56, Name: "OIDC providers"}    // URL without https://
	Keyring         = Table[chime.SealedKey]{ID: 57, Name: "keyring"}              // use, number
	PoolIdentities  = Table[chime.PoolIdentity]{ID: 58, Name: "pool identities"}   // identity id
	PoolIdentityFor = Table[string]{ID: 59, Name: "pool identity of a login"}      // pool, provider, subject -> identity id

	Nodes  = Table[chime.Node]{ID: 100, Name: "nodes"}                        // id
	Leases = Table[chime.Lease]{ID: 101, Name: "leases of what is done once"} // work; those of followers and tasks are in their records
)

// MembershipKey is the key of a membership; sub is empty on standard channels.
func MembershipKey(app, uid string, ref chime.Ref, sub string) Key {
	key := K(app, uid, string(ref))
	if sub == "" {
		return key
	}
	return key.Str(sub)
}

// ChannelEntryKey is the key of a channel in one of the lists of channels of a user or bot.
func ChannelEntryKey(app string, ref chime.Ref, order uint64, uid string) Key {
	return K(app, string(ref)).Num(order).Str(uid)
}

// TagsKey is the key of a resource's tags. It counts on the numbers of the kinds staying as they
// are.
func TagsKey(res chime.Resource) Key { return K(res.App).Num(uint64(res.Kind)).Str(res.ID) }

// UnderChannel are the tables whose keys begin with the app instance and the UID of a channel, but for
// those whose records are on lists of their holders also.
var UnderChannel = [...]TableID{
	Activities.ID, MembersInOrder.ID, ModeratorsInOrder.ID, BansInOrder.ID, Messages.ID, Processings.ID, Counts.ID,
}

// UnderElasticChannel are such tables that have records of elastic channels alone.
var UnderElasticChannel = [...]TableID{
	SubChannels.ID, SubChannelsInOrder.ID, SubChannelNumbers.ID, Occupancies.ID, Rebalancings.ID, MemberSubChannels.ID,
}

// UnderAppInstance are the tables whose keys begin with the app instance, but for the tasks,
// which go last when one is removed. Client request tokens are not among them: their keys begin
// with a time, they go by themselves, and no id of an app instance ever comes again.
var UnderAppInstance = [...]TableID{
	Users.ID, UsersInOrder.ID, FormerNames.ID, Admins.ID, AdminsInOrder.ID,
	Channels.ID, ChannelsInOrder.ID, Activities.ID,
	Memberships.ID, MembersInOrder.ID, MembershipsOf.ID,
	Moderators.ID, ModeratorsInOrder.ID, ModeratedBy.ID,
	Messages.ID, Tags.ID, Counts.ID,
	Bots.ID, BotsInOrder.ID, Endpoints.ID, EndpointsInOrder.ID, EndpointOf.ID,
	Bans.ID, BansInOrder.ID, BansOf.ID,
	SubChannels.ID, SubChannelsInOrder.ID, SubChannelNumbers.ID, Occupancies.ID, Rebalancings.ID, MemberSubChannels.ID,
	Flows.ID, FlowsInOrder.ID, FlowChannels.ID, Streams.ID, Processings.ID, Callbacks.ID, BotTurns.ID, BotSessions.ID,
	Followings.ID, DeadLetters.ID, Expirations.ID, Pushings.ID,
	Erasures.ID, ErasuresOf.ID,
	Webhooks.ID, WebhookDeliveries.ID, WebhookStates.ID,
}
