package channel

import (
	"encoding/json"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/channel/members"
	"github.com/carillon-chat/carillon/internal/channel/occupancy"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Balancing of elastic channels (spec 6.8). While nothing is under way (balance.go) this holds between
// two transactions: every member is in one sub-channel, none has more members than the target, and none
// has fewer than the minimum while another has room for all of them. Moderators join and leave
// sub-channels by name; they are not counted and never moved.

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
	_, err = seats.Insert(tx, chime.SubChannel{ID: id, Created: now, Order: order})
	return id, err
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
	return members.Of(chime.Topic{App: v.Actor.App, Channel: v.Channel.UID, Sub: sub})
}
