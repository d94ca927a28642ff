package channel

import (
	"context"
	"fmt"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateChannelMembership makes a user or bot a member and notifies the members, the new one
// included. One that is a member of the type already is answered likewise, and nothing changes.
func (s *Service) CreateChannelMembership(ctx context.Context, req *messaging.CreateChannelMembershipRequest) (*messaging.CreateChannelMembershipResponse, error) {
	resp := &messaging.CreateChannelMembershipResponse{ChannelARN: req.ChannelARN}
	err := s.update(ctx, "CreateChannelMembership", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		ref, err := v.find(tx, "MemberArn", req.MemberARN)
		if err != nil {
			return err
		}

		if err := require(v.canAdd(ref, req.Type)); err != nil {
			return err
		}
		if err := v.refuseBanned(tx, "MemberArn", ref); err != nil {
			return err
		}

		m := v.newMembership(ref, req.Type, s.now())
		already, err := s.admit(tx, v, &m, req.SubChannelID)
		if err != nil {
			return err
		}
		if !already {
			if err := s.enter(tx, v, &m); err != nil || v.again {
				return err
			}
		}

		resp.SubChannelID = m.Sub
		resp.Member, err = v.Identity(tx, ref)
		return err
	})
	return resp, DeclaresNotFound(err)
}

// DescribeChannelMembership answers one membership. In an elastic channel that is the caller's own,
// one of its sub-channel, or for callers that manage the channel any.
func (s *Service) DescribeChannelMembership(ctx context.Context, req *messaging.DescribeChannelMembershipRequest) (*messaging.DescribeChannelMembershipResponse, error) {
	resp := new(messaging.DescribeChannelMembershipResponse)
	err := s.view(ctx, "DescribeChannelMembership", req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) error {
		res, err := s.site.ParseIdentity("MemberArn", req.MemberARN)
		if err != nil {
			return err
		}

		// Hidden members, and members of other sub-channels, are unknown to most callers.
		own := res.App == v.Actor.App && res.Ref() == v.Actor.Ref
		if err := require(v.CanRead() && (own || v.canReadMembers())); err != nil {
			return err
		}

		sub := req.SubChannelID
		if v.isConfined() && !own {
			if err := v.choose(r, sub); err != nil {
				return err
			}
			sub = &v.Sub
		}

		memberships, err := v.named(r, res.Ref(), sub)
		if err != nil {
			return err
		}

		if len(memberships) == 0 || res.App != v.Actor.App || !v.canKnow(memberships[0]) {
			return api.NotFound("MemberArn is not a member of the channel")
		}
		if len(memberships) > 1 {
			return api.BadRequest("SubChannelId", "is required: MemberArn is a member of several sub-channels")
		}
		resp.ChannelMembership, err = v.showMembership(r, memberships[0])
		return err
	})
	return resp, DeclaresNotFound(err)
}

// named reads the memberships that a call means: that of the named sub-channel, or without one
// all that the user or bot has.
func (v *Visit) named(r store.Reader, ref chime.Ref, sub *string) ([]chime.Membership, error) {
	if sub == nil {
		return v.membershipsOf(r, ref)
	}
	if v.Channel.Elastic == nil {
		return nil, RefuseSubChannel(sub)
	}
	m, found, err := store.Memberships.Get(r, v.memberKey(ref, *sub))
	if err != nil || !found {
		return nil, err
	}
	return []chime.Membership{m}, nil
}

// ListChannelMemberships lists the members of one type, DEFAULT by default, of the channel or of
// one sub-channel. A member of an elastic channel sees its own sub-channel.
func (s *Service) ListChannelMemberships(ctx context.Context, req *messaging.ListChannelMembershipsRequest) (*messaging.ListChannelMembershipsResponse, error) {
	resp := &messaging.ListChannelMembershipsResponse{ChannelARN: req.ChannelARN}
	kind := req.Type
	if kind == "" {
		kind = messaging.ChannelMembershipTypeDefault
	}

	err := s.view(ctx, "ListChannelMemberships", req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) error {
		if err := require(v.canReadMembers() && (v.CanManage() || !isHidden(kind))); err != nil {
			return err
		}
		if isHidden(kind) && v.Channel.Elastic != nil {
			return errHiddenElastic
		}

		list := v.Prefix().Str(string(kind))
		if req.SubChannelID != nil || v.isConfined() {
			if err := v.choose(r, req.SubChannelID); err != nil {
				return err
			}
			list = v.subMembers(v.Sub)
		}

		page := store.NewPage(fmt.Sprintf("ListChannelMemberships %x", list), req.MaxResults, req.NextToken)
		var err error
		resp.ChannelMemberships, resp.NextToken, err = v.list(r, list, page)
		return err
	})
	return resp, err
}

// list reads one page of a list of members.
func (v *Visit) list(r store.Reader, list store.Key, page store.Page) ([]messaging.ChannelMembershipSummary, string, error) {
	return store.List(r, store.MembersInOrder, store.Prefix(list), page,
		func(ref chime.Ref) (messaging.ChannelMembershipSummary, bool, error) {
			member, err := v.Identity(r, ref)
			return messaging.ChannelMembershipSummary{Member: member}, true, err
		})
}

// Members are the DEFAULT members of the channel, or of the sub-channel that the visit is about, in
// the order in which they joined, at most so many. A caller that may not list them sees none.
func (v *Visit) Members(r store.Reader, limit int) (members []messaging.ChannelMembershipSummary, err error) {
	caller := *v
	if caller.IsHidden() { // unless it has a role in addition
		if err := caller.learnRoles(r); err != nil || !caller.canReadMembers() {
			return nil, err
		}
	}

	list := v.Prefix().Str(string(messaging.ChannelMembershipTypeDefault))
	if v.Sub != "" {
		list = v.subMembers(v.Sub)
	}
	members, _, err = v.list(r, list, store.Page{Limit: limit})
	return members, err
}

// DeleteChannelMembership ends a membership and notifies the members and the removed one. For a
// membership that does not exist it does nothing. A moderator leaves the sub-channel that is named,
// or all.
func (s *Service) DeleteChannelMembership(ctx context.Context, req *messaging.DeleteChannelMembershipRequest) (*messaging.DeleteChannelMembershipResponse, error) {
	err := s.update(ctx, "DeleteChannelMembership", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		ref, err := v.parse("MemberArn", req.MemberARN)
		if err != nil {
			return err
		}

		if err := require(v.canRemove(ref)); err != nil {
			return err
		}

		// Members of an elastic channel leave it; only moderators have several sub-channels to
		// leave.
		if v.Channel.Elastic != nil && req.SubChannelID != nil {
			if isModerator, err := v.isModerator(tx, ref); err != nil {
				return err
			} else if !isModerator {
				return refusePlacing(req.SubChannelID)
			}
		}

		memberships, err := v.named(tx, ref, req.SubChannelID)
		if err != nil || len(memberships) == 0 {
			return err
		}
		if !v.canKnow(memberships[0]) {
			return nil // there is no such member as far as the caller can know
		}
		return s.removeMembers(tx, v, ref, memberships, s.now())
	})
	return nil, err
}
