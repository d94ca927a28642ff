// Package channel keeps channels and their members: memberships with preferences, moderators, bans,
// read markers, and the sub-channels of elastic channels.
//
// What it promises: the matrix of roles of spec 3.2 decides every call, in Visit; each change and
// its event are one commit; a channel made again under the id of a deleted one inherits nothing,
// because all that belongs to a channel is kept under its UID; no commit writes more than
// Options.Piece memberships, but for a batch of a standard channel, which is one event, and what more
// there is to do goes on as a task (follow/jobs); an elastic channel is in balance while no such task is
// under way, and each step is an event, so that a reader of the log knows the members of each
// sub-channel.
package channel
