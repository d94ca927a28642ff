package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// ListChannelMembershipsForAppInstanceUser lists the channels of the caller, or for admins those of
// any user or bot of the app instance.
func (s *Service) ListChannelMembershipsForAppInstanceUser(ctx context.Context, req *messaging.ListChannelMembershipsForAppInstanceUserRequest) (*messaging.ListChannelMembershipsForAppInstanceUserResponse, error) {
	resp := new(messaging.ListChannelMembershipsForAppInstanceUserResponse)
	err := s.viewOf(ctx, req.ChimeBearer, req.AppInstanceUserARN, func(r store.Reader, actor identity.Actor, ref chime.Ref) (err error) {
		list := store.Prefix(store.K(actor.App, string(ref)))
		scope := store.NewPage("ListChannelMembershipsForAppInstanceUser "+actor.App+" "+string(ref), req.MaxResults, req.NextToken)
		resp.ChannelMemberships, resp.NextToken, err = store.List(r, store.MembershipsOf, list, scope,
			func(at chime.ChannelEntry) (messaging.ChannelMembershipForAppInstanceUserSummary, bool, error) {
				v, err := s.VisitAt(r, actor.App, ref, at)
				if err != nil || v == nil {
					return messaging.ChannelMembershipForAppInstanceUserSummary{}, false, err
				}
				shown, err := s.membershipSummary(r, actor, v)
				return *shown, true, err
			})
		return err
	})
	return resp, err
}

// viewOf runs f on one moment for a call about the user that the ARN names, or else about the
// caller.
func (s *Service) viewOf(ctx context.Context, bearer string, arn *string, f func(store.Reader, identity.Actor, chime.Ref) error) error {
	return s.store.View(ctx, s.site.AppOf(bearer), func(r store.Reader) error {
		actor, err := identity.ResolveBearer(r, s.site, bearer)
		if err != nil {
			return err
		}
		ref, err := s.subject(r, actor, arn)
		if err != nil {
			return err
		}
		return f(r, actor, ref)
	})
}

// subject is the user that a ...ForAppInstanceUser call is about: the caller unless it names
// another, which takes an admin (rule g).
func (s *Service) subject(r store.Reader, actor identity.Actor, arn *string) (chime.Ref, error) {
	if arn == nil {
		return actor.Ref, nil
	}
	res, err := s.site.ParseIdentity("AppInstanceUserArn", *arn)
	if err != nil {
		return "", err
	}
	if res.App == actor.App && res.Ref() == actor.Ref {
		return actor.Ref, nil
	}
	if !actor.Admin {
		return "", api.Forbidden("only app instance admins may ask about an AppInstanceUserArn other than their own")
	}
	return findIdentity(r, s.site, actor.App, "AppInstanceUserArn", *arn)
}

// channelAt is the channel that a list leads to; found is false when that one is gone.
func channelAt(r store.Reader, app string, at chime.ChannelEntry) (c chime.Channel, found bool, err error) {
	c, found, err = store.Channels.Get(r, store.K(app, at.ChannelID))
	return c, found && c.UID == at.UID, err
}

// VisitAt is the visit of a user or bot, as a member without other roles, to an entry of its list
// of memberships, nil when the channel or the membership is gone. A member that is deleted has sent
// none of the messages.
func (s *Service) VisitAt(r store.Reader, app string, ref chime.Ref, at chime.ChannelEntry) (*Visit, error) {
	c, found, err := channelAt(r, app, at)
	if err != nil || !found {
		return nil, err
	}
	v := &Visit{Actor: identity.Actor{App: app, Holder: chime.Holder{Ref: ref}}, Channel: c, Sub: at.Sub, site: s.site}
	m, found, err := v.MembershipOf(r, ref)
	if err != nil || !found {
		return nil, err
	}
	v.Membership = &m
	if holder, err := identity.Present(r, app, ref); err != nil {
		return nil, err
	} else if holder.Ref != "" {
		v.Actor.Holder = holder
	}
	return v, nil
}

// MembershipAt reads the membership that an entry of a member's list leads to: the time of the
// latest message that it lets see, zero when there was none, and whether that is after its read
// marker. It does not look up whether the channel still exists.
func (s *Service) MembershipAt(r store.Reader, app string, ref chime.Ref, at chime.ChannelEntry) (last chime.Millis, unread, found bool, err error) {
	v := s.visitOf(app, ref, at)
	m, found, err := v.MembershipOf(r, ref)
	if err != nil || !found {
		return 0, false, false, err
	}
	v.Membership = &m
	last, position, err := v.latest(r)
	unread = last > m.ReadMarker
	if m.FirstUnread != 0 {
		unread = position >= m.FirstUnread
	}
	return last, unread, true, err
}

// membershipSummary shows a membership to the caller: the channel is as the caller sees it, also
// when the membership is another's.
func (s *Service) membershipSummary(r store.Reader, actor identity.Actor, theirs *Visit) (*messaging.ChannelMembershipForAppInstanceUserSummary, error) {
	summary, err := theirs.Summary(r)
	if err == nil && actor.Ref != theirs.Actor.Ref {
		summary, err = s.summaryFor(r, actor, theirs.Channel)
	}
	return &messaging.ChannelMembershipForAppInstanceUserSummary{
		ChannelSummary: &summary,
		AppInstanceUserMembershipSummary: &messaging.AppInstanceUserMembershipSummary{
			Type: theirs.Membership.Type, ReadMarkerTimestamp: theirs.Membership.ReadMarker.Optional(),
			SubChannelID: theirs.Membership.Sub,
		},
	}, err
}

// DescribeChannelMembershipForAppInstanceUser answers the caller's membership of one channel, or
// for admins that of any user or bot (rules g, h).
func (s *Service) DescribeChannelMembershipForAppInstanceUser(ctx context.Context, req *messaging.DescribeChannelMembershipForAppInstanceUserRequest) (*messaging.DescribeChannelMembershipForAppInstanceUserResponse, error) {
	resp := new(messaging.DescribeChannelMembershipForAppInstanceUserResponse)
	err := s.view(ctx, "DescribeChannelMembershipForAppInstanceUser", req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) error {
		ref, err := s.subject(r, v.Actor, &req.AppInstanceUserARN)
		if err != nil {
			return err
		}
		theirs, err := s.VisitAt(r, v.Actor.App, ref, v.entry())
		if err != nil {
			return err
		}
		if theirs == nil {
			return api.Forbidden("AppInstanceUserArn is not a member of the channel")
		}
		resp.ChannelMembership, err = s.membershipSummary(r, v.Actor, theirs)
		return err
	})
	return resp, err
}

// UpdateChannelReadMarker sets the caller's read marker behind the latest message. Its time is now,
// not before the former one (Millis.NotBefore).
func (s *Service) UpdateChannelReadMarker(ctx context.Context, req *messaging.UpdateChannelReadMarkerRequest) (*messaging.UpdateChannelReadMarkerResponse, error) {
	err := s.update(ctx, "UpdateChannelReadMarker", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := require(v.Membership != nil); err != nil {
			return err
		}

		if err := v.refuseElastic(); err != nil {
			return err
		}

		activity, _, err := store.Activities.Get(tx, v.History())
		if err != nil {
			return err
		}

		// The marker lies behind the latest message, and its time never goes back.
		before := activity
		m := *v.Membership
		m.ReadMarker = activity.Mark(s.now().NotBefore(m.ReadMarker))
		m.FirstUnread, m.ReadClock = activity.Position+1, activity.Clock
		if activity != before {
			if err := store.Activities.Put(tx, v.History(), activity); err != nil {
				return err
			}
		}

		if _, err := tx.Append(v.eventOf(chime.EventUpdateReadMarker, m.ReadMarker, m.Ref, nil)); err != nil {
			return err
		}
		return v.SaveMembership(tx, m)
	})
	return &messaging.UpdateChannelReadMarkerResponse{ChannelARN: req.ChannelARN}, err
}
