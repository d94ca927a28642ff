package channel

import (
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/managers"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

func (v *Visit) newMembership(ref chime.Ref, kind messaging.ChannelMembershipType, now chime.Millis) chime.Membership {
	return chime.Membership{Ref: ref, Type: kind, InvitedBy: v.Actor.Ref, Created: now, Updated: now}
}

// admit refuses, before anything is written, a new membership that the channel cannot have. Moderators
// of an elastic channel choose where it belongs, other members have no sub-channel yet. already reports
// that there is nothing to write: m is then the membership to be answered.
func (s *Service) admit(tx store.Tx, v *Visit, m *chime.Membership, sub *string) (already bool, err error) {
	if v.Channel.Elastic == nil {
		if err := RefuseSubChannel(sub); err != nil {
			return false, err
		}
		return s.admitAgain(tx, v, m, nil)
	}

	if isHidden(m.Type) {
		return false, errHiddenElastic
	}

	// A moderator chooses its sub-channels, and is not counted in any.
	isModerator, err := v.isModerator(tx, m.Ref)
	if err != nil {
		return false, err
	}
	if isModerator {
		if err := v.RequireSub(sub); err != nil {
			return false, err
		}
		m.Sub = *sub
		if err := v.requireSubChannel(tx, m.Sub); err != nil {
			return false, err
		}
		return s.admitAgain(tx, v, m, sub)
	}

	// Other members are assigned to one.
	if err := refusePlacing(sub); err != nil {
		return false, err
	}
	return s.admitAgain(tx, v, m, nil)
}

// admitAgain looks for the membership that the sub-channel, or the channel at all when none is
// named, has of the same user or bot. One of the same type is what the call wants. One of another
// type is a ConflictException to callers that may know of it; to others a hidden member is as one
// that is added.
func (s *Service) admitAgain(r store.Reader, v *Visit, m *chime.Membership, sub *string) (already bool, err error) {
	memberships, err := v.named(r, m.Ref, sub)
	if err != nil || len(memberships) == 0 {
		return false, err
	}
	switch is := memberships[0]; {
	case is.Type == m.Type:
		*m = is
		return true, nil
	case !v.canKnow(is):
		return true, s.refuseFull(r, v, m.Ref)
	default:
		return false, api.Conflict("MemberArn is a %s member of the channel already", is.Type)
	}
}

// canKnow reports whether the caller may know of a member: hidden members are known to themselves
// and to managers of the channel.
func (v *Visit) canKnow(m chime.Membership) bool {
	return !isHidden(m.Type) || v.CanManage() || m.Ref == v.Actor.Ref
}

// refuseFull refuses new memberships of a full standard channel as addMember does, for hidden
// members that are added by a caller that may not know of them.
func (s *Service) refuseFull(r store.Reader, v *Visit, refs ...chime.Ref) error {
	if err := s.members(v).Fits(r, len(refs)); err != nil {
		return err
	}
	for _, ref := range refs {
		if err := s.memberships(v.Actor.App, ref).Fits(r, 1); err != nil {
			return err
		}
	}
	return nil
}

// refusePlacing refuses a SubChannelId for a member of an elastic channel that is no moderator.
func refusePlacing(sub *string) error {
	if sub != nil {
		return api.BadRequest("SubChannelId", "must be absent: only moderators choose their sub-channels")
	}
	return nil
}

// enter writes a membership that was admitted and notifies the members. With Visit.again it did not
// come to that.
func (s *Service) enter(tx store.Tx, v *Visit, m *chime.Membership) error {
	if v.Channel.Elastic == nil || m.Sub != "" {
		return s.welcome(tx, v, *m)
	}
	left, err := s.seat(tx, v, m)
	if err == nil && len(left) > 0 && !v.again {
		err = v.errFull()
	}
	return err
}

// welcome writes a membership whose place is known and notifies the members, the new one included.
func (s *Service) welcome(tx store.Tx, v *Visit, m chime.Membership) error {
	e, err := v.membershipEvent(tx, chime.EventCreateMembership, m, m.Created)
	if err != nil {
		return err
	}
	e.Join = []chime.Ref{m.Ref}
	if err := v.limitAudience(tx, &e, m.Type, m.Ref); err != nil {
		return err
	}
	return s.addMember(tx, v, m, e)
}

// addMember writes a membership together with its event.
func (s *Service) addMember(tx store.Tx, v *Visit, m chime.Membership, e chime.Event) (err error) {
	if m.Order, err = tx.Append(e); err != nil {
		return err
	}
	return store.Insert(tx, s.memberRows(v, m)...)
}

// membershipEvent is an event about one membership.
func (v *Visit) membershipEvent(r store.Reader, kind string, m chime.Membership, now chime.Millis) (chime.Event, error) {
	shown, err := v.showMembership(r, m)
	if err != nil {
		return chime.Event{}, err
	}
	e := v.event(kind, now, string(m.Ref), shown.AppendJSON(nil, api.ISO))
	e.Sub = m.Sub
	return e, nil
}

func (v *Visit) showMembership(r store.Reader, m chime.Membership) (*messaging.ChannelMembership, error) {
	member, err := v.Identity(r, m.Ref)
	if err != nil {
		return nil, err
	}
	inviter, err := v.IdentityAt(r, m.InvitedBy, m.Order)
	return &messaging.ChannelMembership{
		InvitedBy: inviter, Type: m.Type, Member: member, ChannelARN: v.ARN(),
		CreatedTimestamp: m.Created.Optional(), LastUpdatedTimestamp: m.Updated.Optional(),
		SubChannelID: m.Sub,
	}, err
}

// limitAudience limits the event of a hidden membership to the hidden member and to the members
// that manage the channel (spec 3.5).
func (v *Visit) limitAudience(r store.Reader, e *chime.Event, kind messaging.ChannelMembershipType, about ...chime.Ref) error {
	if !isHidden(kind) {
		return nil
	}
	told, err := managers.Members(r, v.Actor.App, v.Channel.UID, v.managers)
	e.Only = append(told, about...)
	return err
}

// removeMembers ends the memberships of one user or bot, each with its event, and balances the
// sub-channels that it leaves. Moderators of elastic channels can have more than one transaction may
// end: then Visit.again is set.
func (s *Service) removeMembers(tx store.Tx, v *Visit, ref chime.Ref, memberships []chime.Membership, now chime.Millis) error {
	if most := s.most(); len(memberships) > most { // it may be more by now
		memberships, v.again = memberships[:most], true
	}
	v.budget -= len(memberships)
	for _, m := range memberships {
		if err := s.removeMember(tx, v, m, now); err != nil {
			return err
		}
	}

	if v.Channel.Elastic == nil || len(memberships) == 0 {
		return nil
	}
	if isModerator, err := v.isModerator(tx, ref); err != nil || isModerator { // moderators are not counted
		return err
	}

	seats, err := v.seats(tx)
	if err != nil {
		return err
	}
	for _, m := range memberships {
		if err := v.count(tx, seats, m.Sub, -1); err != nil {
			return err
		}
	}
	return s.rebalance(tx, v, seats, now)
}

// removeFromElastic ends all memberships of a user or bot in an elastic channel, as a new role or a
// ban does.
func (s *Service) removeFromElastic(tx store.Tx, v *Visit, ref chime.Ref, now chime.Millis) error {
	if v.Channel.Elastic == nil {
		return nil
	}
	memberships, err := v.membershipsOf(tx, ref)
	if err != nil {
		return err
	}
	return s.removeMembers(tx, v, ref, memberships, now)
}

// removeMember deletes a membership together with its event.
func (s *Service) removeMember(tx store.Tx, v *Visit, m chime.Membership, now chime.Millis) error {
	e, err := v.membershipEvent(tx, chime.EventDeleteMembership, m, now)
	if err != nil {
		return err
	}
	e.Leave = []chime.Ref{m.Ref}
	if err := v.limitAudience(tx, &e, m.Type, m.Ref); err != nil {
		return err
	}
	return s.dropMember(tx, v, m, e)
}

// dropMember deletes a membership and appends the event.
func (s *Service) dropMember(tx store.Tx, v *Visit, m chime.Membership, e chime.Event) error {
	if _, err := tx.Append(e); err != nil {
		return err
	}
	return store.Remove(tx, s.memberRows(v, m)...)
}
