package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateChannelMembership makes a user or bot a member and tells the members, the new one
// included.
func (s *Service) CreateChannelMembership(ctx context.Context, req *messaging.CreateChannelMembershipRequest) (*messaging.CreateChannelMembershipResponse, error) {
	resp := &messaging.CreateChannelMembershipResponse{ChannelARN: req.ChannelARN}
	err := s.update(ctx, req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := RefuseSubChannel(req.SubChannelID); err != nil {
			return err
		}
		ref, err := v.find(tx, "MemberArn", req.MemberARN)
		if err != nil {
			return err
		}
		if err := require(v.mayAdd(ref, req.Type)); err != nil {
			return err
		}
		if err := v.refuseBanned(tx, "MemberArn", ref); err != nil {
			return err
		}
		if _, found, err := v.MembershipOf(tx, ref); err != nil {
			return err
		} else if found {
			return api.Conflict("MemberArn is a member of the channel already")
		}
		m := v.newMembership(ref, req.Type, s.now())
		e, err := v.membershipEvent(tx, chime.EventCreateMembership, m, m.Created)
		if err != nil {
			return err
		}
		e.Join = []chime.Ref{ref}
		if err := v.narrow(tx, &e, m.Type, ref); err != nil {
			return err
		}
		if err := s.addMember(tx, v, m, e); err != nil {
			return err
		}
		resp.Member, err = v.Identity(tx, ref)
		return err
	})
	return resp, DeclaresNotFound(err)
}

func (v *Visit) newMembership(ref chime.Ref, kind messaging.ChannelMembershipType, now chime.Millis) chime.Membership {
	return chime.Membership{Ref: ref, Type: kind, InvitedBy: v.Actor.Ref, Created: now, Updated: now}
}

// addMember writes a membership together with the event that tells of it.
func (s *Service) addMember(tx store.Tx, v *Visit, m chime.Membership, e chime.Event) error {
	order, err := tx.Append(e)
	if err != nil {
		return err
	}
	return s.saveNewMember(tx, v, m, order)
}

func (s *Service) saveNewMember(tx store.Tx, v *Visit, m chime.Membership, order uint64) error {
	if err := s.count(tx, v.membersCount(), s.limits.MembersPerChannel, "members per channel"); err != nil {
		return err
	}
	if err := s.count(tx, v.membershipsCount(m.Ref), s.limits.MembershipsPerUser, "memberships per user"); err != nil {
		return err
	}
	m.Order = order
	if err := v.SaveMembership(tx, m); err != nil {
		return err
	}
	if err := store.MembersInOrder.Put(tx, v.memberOrderKey(m), m.Ref); err != nil {
		return err
	}
	return store.MembershipsOf.Put(tx, v.placeKey(m.Ref, order), v.place())
}

func (v *Visit) membersCount() store.Key { return store.K(v.Actor.App, v.Channel.UID, "members") }

func (v *Visit) membershipsCount(ref chime.Ref) store.Key {
	return store.K(v.Actor.App, string(ref), "memberships")
}

// memberOrderKey is the place of a membership in the channel's list of its type.
func (v *Visit) memberOrderKey(m chime.Membership) store.Key {
	return store.K(v.Actor.App, v.Channel.UID, string(m.Type)).Num(m.Order).Str(string(m.Ref))
}

// membershipEvent tells of one membership.
func (v *Visit) membershipEvent(r store.Reader, kind string, m chime.Membership, now chime.Millis) (chime.Event, error) {
	shown, err := v.showMembership(r, m)
	if err != nil {
		return chime.Event{}, err
	}
	return v.event(kind, now, shown.AppendJSON(nil, api.ISO)), nil
}

func (v *Visit) showMembership(r store.Reader, m chime.Membership) (*messaging.ChannelMembership, error) {
	member, err := v.Identity(r, m.Ref)
	if err != nil {
		return nil, err
	}
	inviter, err := v.Identity(r, m.InvitedBy)
	return &messaging.ChannelMembership{
		InvitedBy: inviter, Type: m.Type, Member: member, ChannelARN: v.ARN(),
		CreatedTimestamp: m.Created.Optional(), LastUpdatedTimestamp: m.Updated.Optional(),
	}, err
}

// narrow limits the event of a hidden membership to the hidden member and to the members who
// manage the channel (spec 3.5).
func (v *Visit) narrow(r store.Reader, e *chime.Event, kind messaging.ChannelMembershipType, about ...chime.Ref) error {
	if !hidden(kind) {
		return nil
	}
	managers, err := v.memberManagers(r)
	e.Only = append(managers, about...)
	return err
}

// memberManagers are the members who are moderators of the channel or admins.
func (v *Visit) memberManagers(r store.Reader) ([]chime.Ref, error) {
	var candidates, managers []chime.Ref
	collect := func(ref chime.Ref) { candidates = append(candidates, ref) }
	err := store.Moderators.Each(r, store.Prefix(v.Prefix()), func(_ store.Key, m chime.Moderator) (bool, error) {
		collect(m.Ref)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	err = store.Admins.Each(r, store.Prefix(store.K(v.Actor.App)), func(_ store.Key, a chime.Admin) (bool, error) {
		collect(a.Ref)
		return true, nil
	})
	for i := 0; i < len(candidates) && err == nil; i++ {
		var member bool
		if member, err = store.Memberships.Has(r, v.key(candidates[i])); member {
			managers = append(managers, candidates[i])
		}
	}
	return managers, err
}

// DescribeChannelMembership answers one membership.
func (s *Service) DescribeChannelMembership(ctx context.Context, req *messaging.DescribeChannelMembershipRequest) (*messaging.DescribeChannelMembershipResponse, error) {
	resp := new(messaging.DescribeChannelMembershipResponse)
	err := s.view(ctx, req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) error {
		if err := RefuseSubChannel(req.SubChannelID); err != nil {
			return err
		}
		res, err := s.site.ParseIdentity("MemberArn", req.MemberARN)
		if err != nil {
			return err
		}
		own := res.App == v.Actor.App && res.Ref() == v.Actor.Ref
		if err := require(v.MayRead() && (own || v.mayReadMembers())); err != nil {
			return err
		}
		m, found, err := v.MembershipOf(r, res.Ref())
		if err != nil {
			return err
		}
		if !found || res.App != v.Actor.App || hidden(m.Type) && !own && !v.Manages() {
			return api.NotFound("MemberArn is not a member of the channel")
		}
		resp.ChannelMembership, err = v.showMembership(r, m)
		return err
	})
	return resp, DeclaresNotFound(err)
}

// ListChannelMemberships lists the members of one type, DEFAULT unless asked otherwise.
func (s *Service) ListChannelMemberships(ctx context.Context, req *messaging.ListChannelMembershipsRequest) (*messaging.ListChannelMembershipsResponse, error) {
	resp := &messaging.ListChannelMembershipsResponse{ChannelARN: req.ChannelARN}
	kind := req.Type
	if kind == "" {
		kind = messaging.ChannelMembershipTypeDefault
	}
	err := s.view(ctx, req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) error {
		if err := RefuseSubChannel(req.SubChannelID); err != nil {
			return err
		}
		if err := require(v.mayReadMembers() && (v.Manages() || !hidden(kind))); err != nil {
			return err
		}
		members := store.K(v.Actor.App, v.Channel.UID, string(kind))
		scope := store.NewPage("ListChannelMemberships "+v.Channel.UID+" "+string(kind), req.MaxResults, req.NextToken)
		var err error
		resp.ChannelMemberships, resp.NextToken, err = store.List(r, store.MembersInOrder, store.Prefix(members), scope,
			func(ref chime.Ref) (messaging.ChannelMembershipSummary, bool, error) {
				member, err := v.Identity(r, ref)
				return messaging.ChannelMembershipSummary{Member: member}, true, err
			})
		return err
	})
	return resp, err
}

// DeleteChannelMembership ends a membership and tells the members and the removed one. Ending
// one that does not exist is done already.
func (s *Service) DeleteChannelMembership(ctx context.Context, req *messaging.DeleteChannelMembershipRequest) (*messaging.DeleteChannelMembershipResponse, error) {
	err := s.update(ctx, req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := RefuseSubChannel(req.SubChannelID); err != nil {
			return err
		}
		ref, err := v.parse("MemberArn", req.MemberARN)
		if err != nil {
			return err
		}
		if err := require(v.mayRemove(ref)); err != nil {
			return err
		}
		m, found, err := v.MembershipOf(tx, ref)
		if err != nil || !found {
			return err
		}
		if hidden(m.Type) && m.Ref != v.Actor.Ref && !v.Manages() {
			return nil // there is no such member as far as the caller can know
		}
		return v.removeMember(tx, m, s.now())
	})
	return nil, err
}

// removeMember deletes a membership together with the event that tells of it.
func (v *Visit) removeMember(tx store.Tx, m chime.Membership, now chime.Millis) error {
	e, err := v.membershipEvent(tx, chime.EventDeleteMembership, m, now)
	if err != nil {
		return err
	}
	e.Leave = []chime.Ref{m.Ref}
	if err := v.narrow(tx, &e, m.Type, m.Ref); err != nil {
		return err
	}
	if _, err := tx.Append(e); err != nil {
		return err
	}
	if err := store.Memberships.Delete(tx, v.key(m.Ref)); err != nil {
		return err
	}
	if err := store.MembersInOrder.Delete(tx, v.memberOrderKey(m)); err != nil {
		return err
	}
	if err := store.MembershipsOf.Delete(tx, v.placeKey(m.Ref, m.Order)); err != nil {
		return err
	}
	if _, err := store.AddCount(tx, v.membersCount(), -1); err != nil {
		return err
	}
	_, err = store.AddCount(tx, v.membershipsCount(m.Ref), -1)
	return err
}
