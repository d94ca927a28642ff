package channel

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Balancing of elastic channels (spec 6.8). Between two transactions this holds: every member
// is in one sub-channel, none has more members than the target, and none has fewer than the
// minimum while another has room for all of them. Moderators join and leave sub-channels by
// name; they are not counted and never moved.

// minimum is how many members a sub-channel needs not to be merged into another.
func minimum(e *chime.Elastic) int {
	return (e.TargetMemberships*e.MinimumMembershipPct + 99) / 100
}

// subChannels reads the sub-channels, oldest first.
func (v *Visit) subChannels(r store.Reader) (subs []chime.SubChannel, err error) {
	err = store.SubChannels.Each(r, store.Prefix(v.Prefix()), func(_ store.Key, sub chime.SubChannel) (bool, error) {
		subs = append(subs, sub)
		return true, nil
	})
	slices.SortFunc(subs, func(a, b chime.SubChannel) int { return cmp.Compare(a.Order, b.Order) })
	return subs, err
}

// fullest is the index of the sub-channel with the most members of those with space for some more,
// the oldest of equals; -1 when none has space. It passes over the index except.
func fullest(subs []chime.SubChannel, e *chime.Elastic, space, except int) int {
	best := -1
	for i, sub := range subs {
		if i != except && sub.Members+space <= e.TargetMemberships && (best < 0 || sub.Members > subs[best].Members) {
			best = i
		}
	}
	return best
}

// assign finds a sub-channel for one more member: the fullest that has space, to keep conversations
// lively. When none has, it divides the channel first.
func (s *Service) assign(tx store.Tx, v *Visit, now chime.Millis) (id string, err error) {
	subs, err := v.subChannels(tx)
	if err != nil {
		return "", err
	}

	if best := fullest(subs, v.Channel.Elastic, 1, -1); best >= 0 {
		return subs[best].ID, nil
	}

	if len(subs) >= v.Channel.Elastic.MaximumSubChannels {
		return "", api.ResourceLimitExceeded("all %d sub-channels of the channel are full", len(subs))
	}
	if err := s.scaleOut(tx, v, subs, now); err != nil {
		return "", err
	}
	return s.assign(tx, v, now)
}

// scaleOut makes a sub-channel when all are full, and moves as many members to it as it needs to
// reach the minimum: evenly from all, the newest first.
func (s *Service) scaleOut(tx store.Tx, v *Visit, full []chime.SubChannel, now chime.Millis) error {
	id, err := s.addSubChannel(tx, v, now)
	if err != nil {
		return err
	}

	moves := minimum(v.Channel.Elastic)
	for i, sub := range full {
		share := moves / len(full)
		if i < moves%len(full) {
			share++
		}

		newest, err := v.newestOf(tx, sub.ID, share)
		if err != nil {
			return err
		}
		for _, m := range newest {
			if err := v.move(tx, m, id, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// addSubChannel makes an empty sub-channel.
func (s *Service) addSubChannel(tx store.Tx, v *Visit, now chime.Millis) (id string, err error) {
	if id, err = chime.NewUUID(s.random); err != nil {
		return "", err
	}
	order, err := tx.Append(v.subChannelEvent(chime.EventCreateSubChannel, now, id))
	if err != nil {
		return "", err
	}
	return id, store.Insert(tx, v.subChannelRows(chime.SubChannel{ID: id, Created: now, Order: order})...)
}

// subChannelEvent is an event about a sub-channel itself.
func (v *Visit) subChannelEvent(kind string, now chime.Millis, id string) chime.Event {
	payload, _ := json.Marshal(struct{ ChannelArn, SubChannelId string }{v.ARN(), id}) // strings cannot fail
	e := v.event(kind, now, id, payload)
	e.Sub = id
	return e
}

// scaleIn merges sub-channels that are below the minimum into others that have room. It takes
// the smallest first, the youngest of equals: when that one fits nowhere, none does.
func (s *Service) scaleIn(tx store.Tx, v *Visit, now chime.Millis) error {
	subs, err := v.subChannels(tx)
	for err == nil && len(subs) > 1 {
		small := 0
		for i, sub := range subs {
			if sub.Members <= subs[small].Members {
				small = i
			}
		}

		if subs[small].Members >= minimum(v.Channel.Elastic) {
			return nil
		}

		into := fullest(subs, v.Channel.Elastic, subs[small].Members, small)
		if into < 0 {
			return nil
		}
		if err = s.merge(tx, v, subs[small], subs[into].ID, now); err == nil {
			subs, err = v.subChannels(tx)
		}
	}
	return err
}

// merge moves the members of a sub-channel to another and deletes it with its messages. Moderators
// are not moved: each is notified that its membership ended, and why.
func (s *Service) merge(tx store.Tx, v *Visit, from chime.SubChannel, into string, now chime.Millis) error {
	members, moderators, err := v.allOf(tx, from.ID)
	if err != nil {
		return err
	}

	for _, m := range members {
		if err := v.move(tx, m, into, now); err != nil {
			return err
		}
	}

	for _, m := range moderators {
		e, err := v.membershipEvent(tx, chime.EventDeleteMembership, m, now)
		if err != nil {
			return err
		}
		e.Reason, e.Only, e.Leave = chime.ReasonSubChannelDeleted, []chime.Ref{m.Ref}, []chime.Ref{m.Ref}
		if err := s.dropMember(tx, v, m, e); err != nil {
			return err
		}
	}

	if _, err := tx.Append(v.subChannelEvent(chime.EventDeleteSubChannel, now, from.ID)); err != nil {
		return err
	}
	if err := store.Remove(tx, v.subChannelRows(from)...); err != nil {
		return err
	}
	history := v.Prefix().Str(from.ID)
	if err := store.Activities.Delete(tx, history); err != nil {
		return err
	}
	if err := store.Messages.DeletePrefix(tx, history); err != nil {
		return err
	}
	return store.MarkRemoved(tx, v.Actor.App, v.Channel.UID)
}

// move puts a membership into another sub-channel. Only the member is notified; where it was, it
// leaves silently. What it could see as the target of messages stays behind.
func (v *Visit) move(tx store.Tx, m chime.Membership, into string, now chime.Millis) error {
	left := v.eventOf(chime.EventLeaveSubChannel, now, m.Ref, nil)
	left.Sub, left.Leave = m.Sub, []chime.Ref{m.Ref}
	if _, err := tx.Append(left); err != nil {
		return err
	}

	// The records of the former sub-channel, and the counts of both.
	if err := store.Remove(tx, v.subMemberRows(m)...); err != nil {
		return err
	}
	if err := v.countMember(tx, m.Sub, -1); err != nil {
		return err
	}
	if err := v.countMember(tx, into, 1); err != nil {
		return err
	}

	// The membership continues in the other, without its targeted messages.
	m.Sub, m.Updated, m.LastTargeted, m.TargetedPosition = into, now.NotBefore(m.Updated), 0, 0
	e, err := v.membershipEvent(tx, chime.EventUpdateMembership, m, now)
	if err != nil {
		return err
	}
	e.Only, e.Join = []chime.Ref{m.Ref}, []chime.Ref{m.Ref}
	if _, err := tx.Append(e); err != nil {
		return err
	}
	return store.Insert(tx, v.subMemberRows(m)...)
}

// countMember changes the number of members of a sub-channel.
func (v *Visit) countMember(tx store.Tx, id string, delta int) error {
	key := v.Prefix().Str(id)
	sub, found, err := store.SubChannels.Get(tx, key)
	if err != nil || !found {
		return err
	}
	sub.Members += delta
	return store.SubChannels.Put(tx, key, sub)
}

// newestOf reads up to n members of a sub-channel without moderators, newest first.
func (v *Visit) newestOf(r store.Reader, sub string, n int) (members []chime.Membership, err error) {
	if n == 0 {
		return nil, nil
	}
	list := store.Prefix(v.subMembers(sub))
	list.Reverse = true
	err = store.MembersInOrder.Each(r, list, func(_ store.Key, ref chime.Ref) (bool, error) {
		isModerator, err := v.isModerator(r, ref)
		if err != nil || isModerator {
			return err == nil, err
		}
		m, _, err := store.Memberships.Get(r, v.memberKey(ref, sub))
		members = append(members, m)
		return len(members) < n, err
	})
	return members, err
}

// allOf reads the memberships of a sub-channel, oldest first, those of moderators apart.
func (v *Visit) allOf(r store.Reader, sub string) (members, moderators []chime.Membership, err error) {
	err = store.MembersInOrder.Each(r, store.Prefix(v.subMembers(sub)), func(_ store.Key, ref chime.Ref) (bool, error) {
		m, _, err := store.Memberships.Get(r, v.memberKey(ref, sub))
		if err != nil {
			return false, err
		}
		isModerator, err := v.isModerator(r, ref)
		if isModerator {
			moderators = append(moderators, m)
		} else {
			members = append(members, m)
		}
		return true, err
	})
	return members, moderators, err
}

// subMembers is the range of the members of a sub-channel, in order.
func (v *Visit) subMembers(sub string) store.Key {
	return store.K(v.Actor.App, v.Channel.UID, "sub "+sub)
}

// checkElastic applies the rules for making an elastic channel (spec 6.1, 6.8).
func (s *Service) checkElastic(req *messaging.CreateChannelRequest) error {
	e, member := req.ElasticChannelConfiguration, "ElasticChannelConfiguration"
	switch {
	case e == nil:
		return nil
	case req.Mode == messaging.ChannelModeUnrestricted:
		return api.BadRequest("Mode", "must be RESTRICTED: the channel is elastic")
	case len(req.MemberARNs) > 0:
		return api.BadRequest("MemberArns", "must be absent: the channel is elastic")
	case e.MaximumSubChannels > maxElasticMembers/e.TargetMembershipsPerSubChannel:
		return api.BadRequest(member, "allows for more than %d members", maxElasticMembers)
	}

	if limit := s.limits.SubChannelsPerChannel; limit > 0 && e.MaximumSubChannels > limit {
		return api.ResourceLimitExceeded("%s.MaximumSubChannels is over the limit of %d sub-channels per elastic channel", member, limit)
	}
	if limit := s.limits.MembersPerSubChannel; limit > 0 && e.TargetMembershipsPerSubChannel > limit {
		return api.ResourceLimitExceeded("%s.TargetMembershipsPerSubChannel is over the limit of %d memberships per sub-channel", member, limit)
	}
	return nil
}

// maxElasticMembers is the most that sub-channels times members of each may be, without moderators.
// AWS never raises it.
const maxElasticMembers = 1_000_000

func newElastic(e *messaging.ElasticChannelConfiguration) *chime.Elastic {
	if e == nil {
		return nil
	}
	return &chime.Elastic{
		MaximumSubChannels: e.MaximumSubChannels, TargetMemberships: e.TargetMembershipsPerSubChannel,
		MinimumMembershipPct: e.MinimumMembershipPercentage,
	}
}

func showElastic(e *chime.Elastic) *messaging.ElasticChannelConfiguration {
	if e == nil {
		return nil
	}
	return &messaging.ElasticChannelConfiguration{
		MaximumSubChannels: e.MaximumSubChannels, TargetMembershipsPerSubChannel: e.TargetMemberships,
		MinimumMembershipPercentage: e.MinimumMembershipPct,
	}
}
