package channel

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/occupancy"
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

// seats are the numbers of members of the sub-channels. A data folder of before they were kept apart
// has them in the records of the sub-channels, which get their numbers here.
func (v *Visit) seats(tx store.Tx) (*occupancy.Occupancy, error) {
	o, err := occupancy.Of(tx, v.Prefix(), v.Channel.Elastic.TargetMemberships)
	if err != nil || !o.IsNew() {
		return o, err
	}

	var subs []chime.SubChannel
	err = store.SubChannels.Each(tx, store.Prefix(v.Prefix()), func(_ store.Key, sub chime.SubChannel) (bool, error) {
		subs = append(subs, sub)
		return true, nil
	})
	slices.SortFunc(subs, func(a, b chime.SubChannel) int { return cmp.Compare(a.Order, b.Order) })
	for i := 0; i < len(subs) && err == nil; i++ {
		members := subs[i].Members
		subs[i].Members = 0
		if err = v.insertSubChannel(tx, o, subs[i]); err == nil {
			err = o.Change(tx, uint64(i+1), members)
		}
	}
	return o, err
}

// seat makes members of those that were admitted without a sub-channel, and notifies the members. Each
// comes to the fullest sub-channel that has room, to keep conversations lively. When none has, it divides
// the channel first. left are those without room.
func (s *Service) seat(tx store.Tx, v *Visit, waiting ...*chime.Membership) (left []*chime.Membership, err error) {
	seats, err := v.seats(tx)
	if err != nil {
		return nil, err
	}

	for len(waiting) > 0 {
		number, room, err := seats.Fullest(tx)
		if err != nil {
			return nil, err
		}
		if number == 0 {
			if divided, err := s.scaleOut(tx, v, seats, waiting[0].Created); err != nil || !divided {
				return waiting, err
			}
			continue
		}

		id, _, err := store.SubChannelNumbers.Get(tx, v.Prefix().Num(number))
		if err != nil {
			return nil, err
		}
		n := min(room, len(waiting))
		for _, m := range waiting[:n] {
			m.Sub = id
			if err := s.welcome(tx, v, *m); err != nil {
				return nil, err
			}
		}
		if err := seats.Change(tx, number, n); err != nil {
			return nil, err
		}
		waiting = waiting[n:]
	}
	return nil, nil
}

// errFull refuses a member of an elastic channel without room.
func (v *Visit) errFull() *api.Error {
	return api.ResourceLimitExceeded("all %d sub-channels of the channel are full", v.Channel.Elastic.MaximumSubChannels)
}

// scaleOut makes a sub-channel when all are full, unless there are as many as the channel may have, and
// moves as many members to it as it needs to reach the minimum: evenly from all, the newest first.
func (s *Service) scaleOut(tx store.Tx, v *Visit, seats *occupancy.Occupancy, now chime.Millis) (divided bool, err error) {
	subs, _, err := store.Counts.Get(tx, v.subChannelCount().Key)
	if err != nil || subs >= uint64(v.Channel.Elastic.MaximumSubChannels) {
		return false, err
	}
	moves := minimum(v.Channel.Elastic)
	full, err := v.oldestSubChannels(tx, moves)
	if err != nil {
		return false, err
	}
	id, err := s.addSubChannel(tx, v, seats, now)
	if err != nil {
		return false, err
	}

	for i, sub := range full {
		share := moves / int(subs)
		if i < moves%int(subs) {
			share++
		}

		newest, err := v.newestOf(tx, sub, share)
		if err != nil {
			return false, err
		}
		for _, m := range newest {
			if err := v.move(tx, m, id, now); err != nil {
				return false, err
			}
		}
		if err := v.count(tx, seats, sub, -len(newest)); err != nil {
			return false, err
		}
		if err := v.count(tx, seats, id, len(newest)); err != nil {
			return false, err
		}
	}
	return true, nil
}

// oldestSubChannels are the ids of the oldest sub-channels, up to so many.
func (v *Visit) oldestSubChannels(r store.Reader, most int) (ids []string, err error) {
	err = store.SubChannelNumbers.Each(r, store.Prefix(v.Prefix()), func(_ store.Key, id string) (bool, error) {
		ids = append(ids, id)
		return len(ids) < most, nil
	})
	return ids, err
}

// addSubChannel makes an empty sub-channel.
func (s *Service) addSubChannel(tx store.Tx, v *Visit, seats *occupancy.Occupancy, now chime.Millis) (id string, err error) {
	if id, err = chime.NewUUID(s.random); err != nil {
		return "", err
	}
	order, err := tx.Append(v.subChannelEvent(chime.EventCreateSubChannel, now, id))
	if err != nil {
		return "", err
	}
	return id, v.insertSubChannel(tx, seats, chime.SubChannel{ID: id, Created: now, Order: order})
}

// insertSubChannel writes a sub-channel under the next number.
func (v *Visit) insertSubChannel(tx store.Tx, seats *occupancy.Occupancy, sub chime.SubChannel) (err error) {
	if sub.Number, err = seats.Add(tx); err != nil {
		return err
	}
	return store.Insert(tx, v.subChannelRows(sub)...)
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
func (s *Service) scaleIn(tx store.Tx, v *Visit, seats *occupancy.Occupancy, now chime.Millis) error {
	for {
		small, members, err := seats.Smallest(tx)
		if err != nil || members >= minimum(v.Channel.Elastic) {
			return err
		}
		into, err := seats.FullestFor(tx, members, small)
		if err != nil || into == 0 {
			return err
		}
		if err := s.merge(tx, v, seats, small, into, now); err != nil {
			return err
		}
	}
}

// merge moves the members of a sub-channel to another and deletes it with its messages. Moderators
// are not moved: each is notified that its membership ended, and why.
func (s *Service) merge(tx store.Tx, v *Visit, seats *occupancy.Occupancy, small, large uint64, now chime.Millis) error {
	into, _, err := store.SubChannelNumbers.Get(tx, v.Prefix().Num(large))
	if err != nil {
		return err
	}
	id, _, err := store.SubChannelNumbers.Get(tx, v.Prefix().Num(small))
	if err != nil {
		return err
	}
	from, _, err := store.SubChannels.Get(tx, v.Prefix().Str(id))
	if err != nil {
		return err
	}

	members, moderators, err := v.allOf(tx, from.ID)
	if err != nil {
		return err
	}

	for _, m := range members {
		if err := v.move(tx, m, into, now); err != nil {
			return err
		}
	}
	if err := seats.Change(tx, large, len(members)); err != nil {
		return err
	}
	if err := seats.Remove(tx, small); err != nil {
		return err
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

// move puts a membership into another sub-channel, and leaves both counts to the caller. Only the member
// is notified; where it was, it leaves silently. What it could see as the target of messages stays behind.
func (v *Visit) move(tx store.Tx, m chime.Membership, into string, now chime.Millis) error {
	left := v.eventOf(chime.EventLeaveSubChannel, now, m.Ref, nil)
	left.Sub, left.Leave = m.Sub, []chime.Ref{m.Ref}
	if _, err := tx.Append(left); err != nil {
		return err
	}

	if err := store.Remove(tx, v.subMemberRows(m)...); err != nil {
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

// count changes the number of members of a sub-channel.
func (v *Visit) count(tx store.Tx, seats *occupancy.Occupancy, id string, delta int) error {
	sub, found, err := store.SubChannels.Get(tx, v.Prefix().Str(id))
	if err != nil || !found {
		return err
	}
	return seats.Change(tx, sub.Number, delta)
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
