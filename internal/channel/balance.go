package channel

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/channel/occupancy"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// A division and a merger of sub-channels move up to thousands of members. What is too much for one
// transaction goes on in later ones, as a task: see chime.Rebalancing. There is one at a time for each
// channel; the calls that cause it wait for its end.

const (
	taskRebalance = "rebalance channel" // it is stored
	elasticRef    = "elastic/"          // names a channel where tasks name a user or bot
)

// divide makes a sub-channel when all are full, and moves as many members to it as it needs to reach
// the minimum: evenly from all, the newest first. It returns false when the channel has as many as it
// may have, and when the division goes on after this transaction: then Visit.again is set.
func (s *Service) divide(tx store.Tx, v *Visit, seats *occupancy.Occupancy, now chime.Millis) (divided bool, err error) {
	subs, err := seats.SubChannels(tx)
	if err != nil || subs >= v.Channel.Elastic.MaximumSubChannels {
		return false, err
	}
	under, err := store.Rebalancings.Has(tx, v.Prefix())
	if err != nil {
		return false, err
	}

	// What another call began has to end first.
	if !under {
		id, err := s.addSubChannel(tx, v, seats, now)
		if err != nil {
			return false, err
		}
		moves := v.Channel.Elastic.Minimum()
		divided, err = s.advance(tx, v, seats, &chime.Rebalancing{
			ChannelID: v.Channel.ID, Actor: v.caller, Into: id, Share: moves / subs, Extra: moves % subs,
		}, now)
		if err != nil || divided {
			return divided, err
		}
	}
	v.again = true
	return false, s.enqueueRebalancing(tx, v)
}

// merger begins to merge the smallest sub-channel, the youngest of equals, when it is below the minimum
// and another has room for all of its members: when that one fits nowhere, none does. It returns nil when
// nothing is to be merged. From now on the members of the one count as members of the other.
func (v *Visit) merger(tx store.Tx, seats *occupancy.Occupancy) (*chime.Rebalancing, error) {
	small, members, err := seats.Smallest(tx)
	if err != nil || members >= v.Channel.Elastic.Minimum() {
		return nil, err
	}
	large, err := seats.FullestFor(tx, members, small.Number)
	if err != nil || large.Number == 0 {
		return nil, err
	}
	from, _, err := store.SubChannels.Get(tx, v.Prefix().Str(small.ID))
	if err != nil {
		return nil, err
	}

	// The sub-channel takes no more members and cannot be named any more.
	if err := seats.Remove(tx, small.Number); err != nil {
		return nil, err
	}
	if err := seats.Change(tx, large.Number, members); err != nil {
		return nil, err
	}
	return &chime.Rebalancing{ChannelID: v.Channel.ID, Actor: v.caller, Into: large.ID, From: small.ID}, seats.Delete(tx, from)
}

// rebalance does what a member that left makes necessary, or leaves it to a task. When something is under
// way, the end of that looks for more.
func (s *Service) rebalance(tx store.Tx, v *Visit, seats *occupancy.Occupancy, now chime.Millis) error {
	under, found, err := store.Rebalancings.Get(tx, v.Prefix())
	if err != nil || found && under.Left {
		return err
	}
	if found {
		under.Left = true
		return store.Rebalancings.Put(tx, v.Prefix(), under)
	}

	r, err := v.merger(tx, seats)
	if err != nil || r == nil {
		return err
	}
	balanced, err := s.balance(tx, v, seats, r, now)
	if err != nil || balanced {
		return err
	}
	return s.enqueueRebalancing(tx, v)
}

// balance does what is under way, and then what else is necessary, until that is more than this
// transaction may do. A division alone makes no merger necessary, as a member is about to join.
func (s *Service) balance(tx store.Tx, v *Visit, seats *occupancy.Occupancy, r *chime.Rebalancing, now chime.Millis) (balanced bool, err error) {
	for r != nil {
		if done, err := s.advance(tx, v, seats, r, now); err != nil || !done {
			return false, err
		}
		if r.From == "" && !r.Left {
			return true, nil
		}
		if r, err = v.merger(tx, seats); err != nil {
			return false, err
		}
	}
	return true, nil
}

// advance does as much of what is under way as this transaction may, and keeps how far it has come.
func (s *Service) advance(tx store.Tx, v *Visit, seats *occupancy.Occupancy, r *chime.Rebalancing, now chime.Millis) (done bool, err error) {
	if r.From != "" {
		done, err = s.mergeOn(tx, v, r, now)
	} else {
		done, err = v.divideOn(tx, seats, r, now)
	}
	switch {
	case err != nil:
		return false, err
	case done:
		return true, store.Rebalancings.Delete(tx, v.Prefix())
	}
	return false, store.Rebalancings.Put(tx, v.Prefix(), *r)
}

// enqueueRebalancing leaves what is under way to a task. The position of the log distinguishes it from
// an earlier one, whose worker may be about to remove it.
func (s *Service) enqueueRebalancing(tx store.Tx, v *Visit) error {
	position, err := tx.Position()
	if err != nil {
		return err
	}
	task, err := s.jobs.Enqueue(tx, chime.Task{
		Kind: taskRebalance, App: v.Actor.App, Ref: chime.Ref(elasticRef + v.Channel.UID), Order: position,
	})
	v.rest = &task
	return err
}

// rebalanceRest is the work of a task.
func (s *Service) rebalanceRest(ctx context.Context, task chime.Task) error {
	uid := strings.TrimPrefix(string(task.Ref), elasticRef)
	for balanced := false; !balanced; {
		err := s.turns.Update(ctx, task.App, func(tx store.Tx) (err error) {
			balanced, err = s.rebalanceSome(tx, task.App, uid)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rebalanceSome does as much of what is under way as one transaction may.
func (s *Service) rebalanceSome(tx store.Tx, app, uid string) (balanced bool, err error) {
	r, found, err := store.Rebalancings.Get(tx, store.K(app, uid))
	if err != nil || !found {
		return true, err
	}
	v := s.visitOf(app, r.Actor, chime.ChannelEntry{ChannelID: r.ChannelID, UID: uid})
	v.caller, v.budget = r.Actor, s.most()
	if v.Channel, found, err = channelAt(tx, app, v.entry()); err != nil || !found {
		return true, err
	}
	seats, err := v.seats(tx)
	if err != nil {
		return false, err
	}
	return s.balance(tx, v, seats, &r, s.now())
}

// divideOn goes on with a division.
func (v *Visit) divideOn(tx store.Tx, seats *occupancy.Occupancy, r *chime.Rebalancing, now chime.Millis) (done bool, err error) {
	into, _, err := store.SubChannels.Get(tx, v.Prefix().Str(r.Into))
	if err != nil {
		return false, err
	}
	members, err := seats.Members(tx, into.Number)
	if err != nil {
		return false, err
	}

	room := v.Channel.Elastic.TargetMemberships - members // others join it meanwhile
	before := room
	for v.budget > 0 && room > 0 && !done {
		if r.Moves == 0 {
			if done, err = nextSource(tx, seats, r); err != nil {
				return false, err
			}
			continue
		}
		moved, err := v.moveNewest(tx, seats, r, min(r.Moves, room), now)
		if err != nil {
			return false, err
		}
		room -= moved
	}
	return done || room == 0, seats.Change(tx, into.Number, before-room)
}

// nextSource finds the next sub-channel that members leave in a division.
func nextSource(r store.Reader, seats *occupancy.Occupancy, d *chime.Rebalancing) (none bool, err error) {
	source, err := seats.After(r, d.Source)
	if err != nil || source.Number == 0 || source.ID == d.Into {
		return true, err
	}
	d.Source, d.At, d.Moves = source.Number, nil, d.Share
	if d.Extra > 0 {
		d.Extra--
		d.Moves++
	}
	return d.Moves == 0, nil
}

// moveNewest moves up to so many members of the source, the newest first.
func (v *Visit) moveNewest(tx store.Tx, seats *occupancy.Occupancy, r *chime.Rebalancing, most int, now chime.Millis) (moved int, err error) {
	source, err := seats.Sub(tx, r.Source)
	if err != nil {
		return 0, err
	}
	list := store.Prefix(v.subMembers(source.ID))
	list.Reverse = true
	if r.At != nil {
		list.To = r.At
	}
	members, moderators, err := v.someOf(tx, source.ID, list, most, r)
	if err != nil {
		return 0, err
	}

	for _, m := range members {
		if err := v.move(tx, m, r.Into, now); err != nil {
			return 0, err
		}
	}
	if r.Moves -= len(members); len(members)+len(moderators) == 0 {
		r.Moves = 0 // it has no more
	}
	return len(members), seats.Change(tx, r.Source, -len(members))
}

// mergeOn goes on with a merger. Moderators are not moved: each is notified that its membership ended,
// and why.
func (s *Service) mergeOn(tx store.Tx, v *Visit, r *chime.Rebalancing, now chime.Millis) (done bool, err error) {
	list := store.Prefix(v.subMembers(r.From))
	if r.At != nil {
		list.From = append(slices.Clone(r.At), 0)
	}
	members, moderators, err := v.someOf(tx, r.From, list, v.budget, r)
	if err != nil {
		return false, err
	}

	for _, m := range members {
		if err := v.move(tx, m, r.Into, now); err != nil {
			return false, err
		}
	}
	for _, m := range moderators {
		e, err := v.membershipEvent(tx, chime.EventDeleteMembership, m, now)
		if err != nil {
			return false, err
		}
		e.Reason, e.Only, e.Leave = chime.ReasonSubChannelDeleted, []chime.Ref{m.Ref}, []chime.Ref{m.Ref}
		if err := s.dropMember(tx, v, m, e); err != nil {
			return false, err
		}
	}
	if v.budget <= 0 {
		return false, nil
	}
	return true, v.endSubChannel(tx, r.From, now)
}

// endSubChannel deletes what is left of a sub-channel without members: its messages, and those that wait for a channel flow.
func (v *Visit) endSubChannel(tx store.Tx, id string, now chime.Millis) error {
	if _, err := tx.Append(v.subChannelEvent(chime.EventDeleteSubChannel, now, id)); err != nil {
		return err
	}
	history := v.Prefix().Str(id)
	if err := store.Activities.Delete(tx, history); err != nil {
		return err
	}
	if err := store.Messages.DeletePrefix(tx, history); err != nil {
		return err
	}
	if err := store.Processings.DeletePrefix(tx, history); err != nil {
		return err
	}
	return store.MarkRemoved(tx, v.Actor.App, v.Channel.UID)
}

// someOf reads the next memberships of a sub-channel, up to so many members, and the moderators among
// them apart. Each takes one of the budget.
func (v *Visit) someOf(r store.Reader, sub string, list store.Range, most int, at *chime.Rebalancing) (members, moderators []chime.Membership, err error) {
	if v.budget <= 0 {
		return nil, nil, nil
	}
	err = store.MembersInOrder.Each(r, list, func(key store.Key, ref chime.Ref) (bool, error) {
		at.At = bytes.Clone(key)
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
		v.budget--
		return len(members) < most && v.budget > 0, err
	})
	return members, moderators, err
}
