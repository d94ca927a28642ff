package store

import "github.com/carillon-chat/carillon/internal/chime"

// TableID names a table. Engines keep tables apart; ids are part of the stored format and one
// is never reused.
type TableID uint8

// Tables that engines keep for themselves.
const (
	TableEvents TableID = 1 // position -> event: the log
	TableMeta   TableID = 2 // name: format version and the like
)

// The tables of the services, with the columns of each key. Everything of an app instance is
// under its id and everything of a channel under its UID, so that each can be removed as one
// range. An "order" column is the log position of the event that told of the creation, so lists
// are in order of creation and then of id.
var (
	AppInstances        = Table[chime.AppInstance]{ID: 3, Name: "app instances"} // app
	Users               = Table[chime.User]{ID: 4, Name: "users"}                // app, user id
	Admins              = Table[chime.Admin]{ID: 5, Name: "admins"}              // app, ref
	UsersInOrder        = Table[string]{ID: 6, Name: "users in order"}           // app, order
	AdminsInOrder       = Table[chime.Ref]{ID: 7, Name: "admins in order"}       // app, order
	AppInstancesInOrder = Table[string]{ID: 8, Name: "app instances in order"}   // order
	FormerNames         = Table[string]{ID: 9, Name: "former names"}             // app, ref -> last name of a deleted identity

	Channels          = Table[chime.Channel]{ID: 10, Name: "channels"}                   // app, channel id
	ChannelsInOrder   = Table[string]{ID: 11, Name: "channels in order"}                 // app, privacy, order
	Activities        = Table[chime.Activity]{ID: 12, Name: "channel activity"}          // app, uid
	Memberships       = Table[chime.Membership]{ID: 13, Name: "memberships"}             // app, uid, ref
	MembersInOrder    = Table[chime.Ref]{ID: 14, Name: "members in order"}               // app, uid, type, order, ref
	MembershipsOf     = Table[chime.Place]{ID: 15, Name: "memberships of a user"}        // app, ref, order, uid
	Moderators        = Table[chime.Moderator]{ID: 16, Name: "moderators"}               // app, uid, ref
	ModeratorsInOrder = Table[chime.Ref]{ID: 17, Name: "moderators in order"}            // app, uid, order, ref
	ModeratedBy       = Table[chime.Place]{ID: 18, Name: "channels moderated by a user"} // app, ref, order, uid

	Messages = Table[chime.Message]{ID: 19, Name: "messages"}            // app, uid, message id
	Replies  = Table[chime.Reply]{ID: 20, Name: "client request tokens"} // start of the window in ms, operation, app, parent, bearer, token
	Tags     = Table[[]chime.Tag]{ID: 21, Name: "tags"}                  // app, kind, id
	Tasks    = Table[chime.Task]{ID: 22, Name: "background tasks"}       // app, subject
	Counts   = Table[uint64]{ID: 23, Name: "counts"}                     // app (empty: the service), what
)

// UnderAppInstance are the tables whose keys begin with the app instance, but for the tasks,
// which go last when one is removed. Client request tokens are not among them: their keys begin
// with a time, they go by themselves, and no id of an app instance ever comes again.
var UnderAppInstance = [...]TableID{
	Users.ID, UsersInOrder.ID, FormerNames.ID, Admins.ID, AdminsInOrder.ID,
	Channels.ID, ChannelsInOrder.ID, Activities.ID,
	Memberships.ID, MembersInOrder.ID, MembershipsOf.ID,
	Moderators.ID, ModeratorsInOrder.ID, ModeratedBy.ID,
	Messages.ID, Tags.ID, Counts.ID,
}
