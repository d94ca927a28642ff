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

// Balancing of elastic channels (spec 6.8). While nothing is under way (balance.go) this holds between
// two transactions: every member is in one sub-channel, none has more members than the target, and none
// has fewer than the minimum while another has room for all of them. Moderators join and leave
// sub-channels by name; they are not counted and never moved.

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
// the channel first. left are those without room, or with Visit.again those whose turn is next.
func (s *Service) seat(tx store.Tx, v *Visit, waiting ...*chime.Membership) (left []*chime.Membership, err error) {
	seats, err := v.seats(tx)
	if err != nil {
		return nil, err
	}

	for len(waiting) > 0 {
		if v.budget <= 0 {
			v.again = true
			return waiting, nil
		}
		sub, room, err := seats.Fullest(tx)
		if err != nil {
			return nil, err
		}
		if sub.Number == 0 {
			if divided, err := s.divide(tx, v, seats, waiting[0].Created); err != nil || !divided {
				return waiting, err
			}
			continue
		}

		n := min(room, len(waiting), v.budget)
		for _, m := range waiting[:n] {
			m.Sub = sub.ID
			if err := s.welcome(tx, v, *m); err != nil {
				return nil, err
			}
		}
		if err := seats.Change(tx, sub.Number, n); err != nil {
			return nil, err
		}
		v.budget -= n
		waiting = waiting[n:]
	}
	return nil, nil
}

// errFull refuses a member of an elastic channel without room.
func (v *Visit) errFull() *api.Error {
	return api.ResourceLimitExceeded("all %d sub-channels of the channel are full", v.Channel.Elastic.MaximumSubChannels)
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
	if sub.Number, err = seats.Add(tx, sub.ID); err != nil {
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
	if err == nil && !found { // its members count already as those of the one that it is merged into
		var r chime.Rebalancing
		if r, found, err = store.Rebalancings.Get(tx, v.Prefix()); err == nil && found {
			sub, found, err = store.SubChannels.Get(tx, v.Prefix().Str(r.Into))
		}
	}
	if err != nil || !found {
		return err
	}
	return seats.Change(tx, sub.Number, delta)
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
		MinimumMembershipPct: e.MinimumMembershipPercentage, Indexed: true,
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
