package channel

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/managers"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// Visit is a caller on a channel, with its roles there. Every rule of spec 3.2 about a channel is
// one of its methods.
type Visit struct {
	Actor      identity.Actor
	Channel    chime.Channel
	Membership *chime.Membership // nil: not a member
	Moderator  bool
	Banned     bool // and neither member nor manager
	// Sub is the sub-channel that the call is about, of an elastic channel and after EnterSub
	// alone. Membership is then the one of this sub-channel; without Sub it is any of them.
	Sub string

	// caller is the user or bot that makes the call, empty when the service acts by itself.
	caller chime.Ref
	site   chime.Site
	shown  map[chime.Ref]shown // by Identity

	managers *managers.Found // found before the transaction, or nil

	// A transaction holds up all others, so what may be long is done in pieces. budget is how many
	// memberships this one may still write, again reports that it did not come to the end of what
	// was asked for, and rest is the task that does what follows from it.
	budget int
	again  bool
	rest   *chime.Task
}

// errNoChannel is the answer of most operations for a channel that does not exist, and for one that
// the caller may not know: the answers are one and the same, as is what is read to give them.
var errNoChannel error = api.Forbidden("ChannelArn does not name a channel that you may use")

// Enter finds the caller and the channel. A caller of another app instance is refused with
// ForbiddenException, and so is one that may not know the channel, in the words for a channel that
// does not exist.
func Enter(r store.Reader, site chime.Site, bearer, channelARN string) (*Visit, error) {
	v, err := arrive(r, site, bearer, channelARN, nil)
	if err != nil {
		return nil, err
	}
	return v, v.enter(r)
}

// arrive finds the caller, the channel and the membership, and leaves the roles. Of a channel that does
// not exist the Visit has none.
func arrive(r store.Reader, site chime.Site, bearer, channelARN string, ahead []store.Lookup) (*Visit, error) {
	at, err := site.ParseKind("ChannelArn", channelARN, chime.KindChannel)
	if err != nil {
		return nil, err
	}

	b, err := identity.ParseBearer(site, bearer)
	if err != nil {
		return nil, err
	}

	// Everything that the request names is read at once; the membership is under the channel's UID.
	var room [identity.BearerLookups + 3]store.Lookup
	named := append(b.Lookups(room[:0]), store.Channels.Lookup(store.K(at.App, at.ID)))
	all := append(named, ahead...)
	if err := r.GetMany(all); err != nil {
		return nil, err
	}
	copy(ahead, all[len(named):])
	actor, err := b.Actor(named)
	if err != nil {
		return nil, err
	}
	if at.App != actor.App {
		return nil, api.Forbidden("ChimeBearer and ChannelArn belong to different app instances")
	}

	v := &Visit{Actor: actor, caller: actor.Ref, site: site}
	if v.Channel, _, err = store.Channels.Found(named[identity.BearerLookups]); err != nil {
		return nil, err
	}
	m, found, err := v.MembershipOf(r, actor.Ref)
	if found {
		v.Membership = &m
	}
	return v, err
}

// enter finds the roles of the caller other than member, and refuses one that may not know the
// channel.
func (v *Visit) enter(r store.Reader) error {
	if err := v.learnRoles(r); err != nil {
		return err
	}
	if v.Channel.UID == "" || !v.canDescribe() {
		return errNoChannel
	}
	return nil
}

// learnRoles finds the roles of the caller other than member.
func (v *Visit) learnRoles(r store.Reader) (err error) {
	if v.Actor.Admin, err = identity.IsAdmin(r, v.Actor.App, v.Actor.Ref); err != nil {
		return err
	}
	if v.Moderator, err = v.isModerator(r, v.Actor.Ref); err != nil {
		return err
	}
	if v.Membership == nil && !v.CanManage() { // a ban ends the membership, so members need no look
		v.Banned, err = v.isBanned(r, v.Actor.Ref)
	}
	return err
}

// EventVisit is a visit without a caller, to show what an event is about: its channel may be gone
// by now, or be another one of the same id.
func EventVisit(site chime.Site, e *chime.Event) *Visit {
	return &Visit{
		Actor: identity.Actor{App: e.App}, Channel: chime.Channel{ID: e.ChannelID, UID: e.Channel}, Sub: e.Sub, site: site,
	}
}

// key is the key of the record of a user or bot in this channel.
func (v *Visit) key(ref chime.Ref) store.Key {
	return store.K(v.Actor.App, v.Channel.UID, string(ref))
}

// Prefix is the range of everything that belongs to this channel in a table.
func (v *Visit) Prefix() store.Key { return store.K(v.Actor.App, v.Channel.UID) }

// Topic is the topic of the channel, or of the sub-channel that the visit is about.
func (v *Visit) Topic() chime.Topic {
	return chime.Topic{App: v.Actor.App, Channel: v.Channel.UID, Sub: v.Sub}
}

// ARN is the ARN of the channel.
func (v *Visit) ARN() string { return v.site.ChannelARN(v.Actor.App, v.Channel.ID) }

// RefARN is the ARN of a user or bot of the app instance.
func (v *Visit) RefARN(ref chime.Ref) string { return v.site.RefARN(v.Actor.App, ref) }

// Self is the caller as the API shows it.
func (v *Visit) Self() *messaging.Identity {
	return &messaging.Identity{ARN: v.RefARN(v.Actor.Ref), Name: v.Actor.Name}
}

func (v *Visit) resource() chime.Resource {
	return chime.Resource{App: v.Actor.App, Kind: chime.KindChannel, ID: v.Channel.ID}
}

// MembershipOf reads the membership of a user or bot in this channel, or in the sub-channel that
// the visit is about.
func (v *Visit) MembershipOf(r store.Reader, ref chime.Ref) (chime.Membership, bool, error) {
	if v.Channel.Elastic != nil && v.Sub == "" {
		all, err := v.membershipsOf(r, ref)
		if err != nil || len(all) == 0 {
			return chime.Membership{}, false, err
		}
		return all[0], true, nil
	}
	return store.Memberships.Get(r, v.memberKey(ref, v.Sub))
}

// Among picks those that a message names and that are members of the channel, or of the sub-channel
// that the visit is about, in their order without repeats. A later holder of an id is not the one
// that the message names.
func (v *Visit) Among(r store.Reader, m *chime.Message, refs ...chime.Ref) (members []chime.Ref, err error) {
	for i, ref := range refs {
		is, err := v.isStillMember(r, m, ref)
		if err != nil {
			return nil, err
		}
		if is && !slices.Contains(refs[:i], ref) {
			members = append(members, ref)
		}
	}
	return members, nil
}

// isStillMember reports whether a user or bot that a message names is a member, and held the id when
// the message was sent.
func (v *Visit) isStillMember(r store.Reader, m *chime.Message, ref chime.Ref) (bool, error) {
	if ref == v.Actor.Ref {
		return v.Membership != nil && v.Actor.Held(m.After, m.Created), nil
	}
	if _, member, err := v.MembershipOf(r, ref); err != nil || !member {
		return false, err
	}
	holder, err := identity.Present(r, v.Actor.App, ref)
	return holder.Held(m.After, m.Created), err
}

// SaveMembership writes a changed membership of this channel.
func (v *Visit) SaveMembership(tx store.Tx, m chime.Membership) error {
	return store.Memberships.Put(tx, v.memberKey(m.Ref, m.Sub), m)
}

// memberKey is the key of a membership; sub is empty on standard channels.
func (v *Visit) memberKey(ref chime.Ref, sub string) store.Key {
	return store.MembershipKey(v.Actor.App, v.Channel.UID, ref, sub)
}

// CanManage reports whether the caller is an admin or a moderator of the channel.
func (v *Visit) CanManage() bool { return v.Actor.Admin || v.Moderator }

// CanSend reports whether the caller has a DEFAULT membership.
func (v *Visit) CanSend() bool { return v.Membership != nil && !isHidden(v.Membership.Type) }

// IsHidden reports whether the caller has a HIDDEN membership, which only observes, and no other
// role.
func (v *Visit) IsHidden() bool {
	return v.Membership != nil && isHidden(v.Membership.Type) && !v.CanManage()
}

// CanRead reports whether the caller may see the members of the channel and its messages: on a
// PUBLIC channel all but the banned, on a PRIVATE one callers with a role.
func (v *Visit) CanRead() bool {
	return v.CanManage() || v.Membership != nil || v.isPublic() && !v.Banned
}

// canDescribe reports whether the caller may know the channel. The banned may still describe a
// PUBLIC one (rule c).
func (v *Visit) canDescribe() bool { return v.CanRead() || v.isPublic() }

func (v *Visit) isPublic() bool { return v.Channel.Privacy == messaging.ChannelPrivacyPublic }

// isConfined reports whether the caller may see one sub-channel of the channel at most, its own.
func (v *Visit) isConfined() bool { return v.Channel.Elastic != nil && !v.CanManage() }

// canReadMembers reports whether the caller may see members other than itself, which hidden members
// may not (rule l).
func (v *Visit) canReadMembers() bool { return v.CanRead() && !v.IsHidden() }

// canAdd reports whether the caller may make a user or bot a member (rules i, j, k).
func (v *Visit) canAdd(ref chime.Ref, kind messaging.ChannelMembershipType) bool {
	switch {
	case v.CanManage():
		return true
	case isHidden(kind):
		return false
	case ref == v.Actor.Ref:
		return v.CanRead()
	default:
		return v.CanSend() && v.Channel.Mode == messaging.ChannelModeUnrestricted
	}
}

// canRemove reports whether the caller may end a membership (rule m).
func (v *Visit) canRemove(ref chime.Ref) bool {
	switch {
	case v.CanManage():
		return true
	case ref == v.Actor.Ref:
		return v.CanRead()
	default:
		return v.CanSend() && v.Channel.Mode == messaging.ChannelModeUnrestricted
	}
}

// Identity is a user or bot of the app instance as the API shows it, under its current name.
func (v *Visit) Identity(r store.Reader, ref chime.Ref) (*messaging.Identity, error) {
	return v.IdentityAt(r, ref, identity.Now)
}

// shown is an identity with the positions of the log at which its id meant it.
type shown struct {
	*messaging.Identity
	first, last uint64
}

// IdentityAt is the user or bot that held the id at a position of the log, zero for a position that
// is not known, under the name that it has now or had at last. One holder of each id is looked up
// once in a visit.
func (v *Visit) IdentityAt(r store.Reader, ref chime.Ref, at uint64) (*messaging.Identity, error) {
	if at == 0 {
		at = identity.Now
	}
	if s, found := v.shown[ref]; found && s.first <= at && at <= s.last {
		return s.Identity, nil
	}

	named, err := identity.Name(r, v.Actor.App, ref, at)
	if err != nil {
		return nil, err
	}

	if v.shown == nil {
		v.shown = make(map[chime.Ref]shown)
	}
	s := shown{&messaging.Identity{ARN: v.RefARN(ref), Name: named.Name}, named.First, named.Last}
	v.shown[ref] = s
	return s.Identity, nil
}

// Sender is the user or bot that sent a message.
func (v *Visit) Sender(r store.Reader, m *chime.Message) (*messaging.Identity, error) {
	return v.IdentityAt(r, m.Sender, m.After)
}

// parse reads the member of a request that names a user or bot of the app instance, which need not
// exist any more.
func (v *Visit) parse(member, arn string) (chime.Ref, error) {
	res, err := v.site.ParseIdentity(member, arn)
	if err != nil {
		return "", err
	}
	if res.App != v.Actor.App {
		return "", api.Forbidden("%s and ChannelArn belong to different app instances", member)
	}
	return res.Ref(), nil
}

// find reads the member of a request that names a user or bot. One that does not exist or is
// of another app instance is refused with ForbiddenException.
func (v *Visit) find(r store.Reader, member, arn string) (chime.Ref, error) {
	return findIdentity(r, v.site, v.Actor.App, member, arn)
}

func findIdentity(r store.Reader, site chime.Site, app, member, arn string) (chime.Ref, error) {
	res, err := site.ParseIdentity(member, arn)
	if err != nil {
		return "", err
	}
	known := false
	if res.App == app {
		if known, err = identity.Exists(r, app, res.Ref()); err != nil {
			return "", err
		}
	}
	if !known {
		return "", api.Forbidden("%s does not name a user or bot of the app instance", member)
	}
	return res.Ref(), nil
}
