package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/elastic"
	"github.com/carillon-chat/carillon/internal/channel/expiration"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// DescribeChannel answers all of the channel to callers that may read it (rules c, d).
func (s *Service) DescribeChannel(ctx context.Context, req *messaging.DescribeChannelRequest) (*messaging.DescribeChannelResponse, error) {
	resp := new(messaging.DescribeChannelResponse)
	err := s.view(ctx, "DescribeChannel", req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) (err error) {
		if err := require(v.canDescribe()); err != nil {
			return err
		}
		resp.Channel, err = v.show(r)
		return err
	})
	return resp, err
}

// UpdateChannel changes the members of the request that are present and notifies all members of the
// channel.
func (s *Service) UpdateChannel(ctx context.Context, req *messaging.UpdateChannelRequest) (*messaging.UpdateChannelResponse, error) {
	err := s.update(ctx, "UpdateChannel", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}
		if req.Name == nil && req.Mode == "" && req.Metadata == nil {
			return nil
		}

		c := &v.Channel
		if c.Elastic != nil && req.Mode == messaging.ChannelModeUnrestricted {
			return api.BadRequest("Mode", "must be RESTRICTED: the channel is elastic")
		}

		if req.Name != nil {
			c.Name = *req.Name
		}
		if req.Mode != "" {
			c.Mode = req.Mode
		}
		if req.Metadata != nil {
			c.Metadata = *req.Metadata
		}

		c.Updated = s.now().NotBefore(c.Updated)
		if err := v.save(tx); err != nil {
			return err
		}
		return v.announce(tx, chime.EventUpdateChannel, c.Updated)
	})
	return &messaging.UpdateChannelResponse{ChannelARN: req.ChannelARN}, err
}

// save writes the changed record of the channel.
func (v *Visit) save(tx store.Tx) error {
	return store.Channels.Put(tx, store.K(v.Actor.App, v.Channel.ID), v.Channel)
}

// announce appends an event about the channel itself.
func (v *Visit) announce(tx store.Tx, kind string, now chime.Millis) error {
	e, err := v.channelEvent(tx, kind, now)
	if err == nil {
		_, err = tx.Append(e)
	}
	return err
}

// channelEvent is an event about the channel itself. It shows what every member may see.
func (v *Visit) channelEvent(r store.Reader, kind string, now chime.Millis) (chime.Event, error) {
	shared := *v // as a caller without a role, which sees the time that all may see
	shared.Membership, shared.Moderator, shared.Actor.Admin = nil, false, false
	c, err := shared.show(r)
	if err != nil {
		return chime.Event{}, err
	}
	return v.event(kind, now, v.Channel.ID, c.AppendJSON(nil, api.ISO)), nil
}

// DeleteChannel removes the channel and all that belongs to it, and notifies its members once.
func (s *Service) DeleteChannel(ctx context.Context, req *messaging.DeleteChannelRequest) (*messaging.DeleteChannelResponse, error) {
	err := s.update(ctx, "DeleteChannel", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}
		if err := v.announce(tx, chime.EventDeleteChannel, s.now()); err != nil {
			return err
		}
		return s.remove(tx, v)
	})
	return nil, err
}

// ListChannels lists the public channels of the app instance, or for admins the private ones.
func (s *Service) ListChannels(ctx context.Context, req *messaging.ListChannelsRequest) (*messaging.ListChannelsResponse, error) {
	at, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}
	privacy := req.Privacy
	if privacy == "" {
		privacy = messaging.ChannelPrivacyPublic
	}

	resp := new(messaging.ListChannelsResponse)
	err = s.store.View(ctx, at.App, func(r store.Reader) error {
		actor, err := identity.ResolveBearer(r, s.site, req.ChimeBearer)
		if err != nil {
			return err
		}

		// Private channels are listed for admins alone.
		if actor.App != at.App {
			return api.Forbidden("ChimeBearer and AppInstanceArn belong to different app instances")
		}
		if !actor.Admin && privacy != messaging.ChannelPrivacyPublic {
			return refusal(req.ChimeBearer, "ListChannels", req.AppInstanceARN, "only app instance admins may list PRIVATE channels")
		}

		scope := store.NewPage("ListChannels "+at.App+" "+string(privacy), req.MaxResults, req.NextToken)
		list := store.Prefix(store.K(at.App, string(privacy)))
		resp.Channels, resp.NextToken, err = store.List(r, store.ChannelsInOrder, list, scope,
			func(id string) (messaging.ChannelSummary, bool, error) {
				c, found, err := store.Channels.Get(r, store.K(at.App, id))
				if err != nil || !found {
					return messaging.ChannelSummary{}, false, err
				}
				summary, err := s.summaryFor(r, actor, c)
				return summary, true, err
			})
		return err
	})
	return resp, err
}

// summaryFor is a channel of a list as the caller sees it.
func (s *Service) summaryFor(r store.Reader, actor identity.Actor, c chime.Channel) (messaging.ChannelSummary, error) {
	v := &Visit{Actor: actor, Channel: c, site: s.site}
	m, found, err := v.MembershipOf(r, actor.Ref)
	if err != nil {
		return messaging.ChannelSummary{}, err
	}
	if found {
		v.Membership = &m
	}
	if c.Elastic != nil {
		if v.Moderator, err = v.isModerator(r, actor.Ref); err != nil {
			return messaging.ChannelSummary{}, err
		}
	}
	return v.Summary(r)
}

// show returns the channel with all that describes it.
func (v *Visit) show(r store.Reader) (*messaging.Channel, error) {
	creator, err := v.IdentityAt(r, v.Channel.CreatedBy, v.Channel.Order)
	if err != nil {
		return nil, err
	}
	last, err := v.lastMessage(r)
	if err != nil {
		return nil, err
	}

	c := &messaging.Channel{
		Name: v.Channel.Name, ChannelARN: v.ARN(), Mode: v.Channel.Mode, Privacy: v.Channel.Privacy,
		Metadata: v.Channel.Metadata, CreatedBy: creator,
		CreatedTimestamp: v.Channel.Created.Optional(), LastUpdatedTimestamp: v.Channel.Updated.Optional(),
		LastMessageTimestamp: last.Optional(),
	}
	c.ElasticChannelConfiguration = elastic.Show(v.Channel.Elastic)
	c.ExpirationSettings = expiration.Show(v.Channel.Expiration)

	if v.Channel.Flow != "" {
		c.ChannelFlowARN = v.site.ChannelFlowARN(v.Actor.App, v.Channel.Flow)
	}
	return c, nil
}

// Summary is the channel as lists show it to the caller.
func (v *Visit) Summary(r store.Reader) (messaging.ChannelSummary, error) {
	last, err := v.lastMessage(r)
	return messaging.ChannelSummary{
		Name: v.Channel.Name, ChannelARN: v.ARN(), Mode: v.Channel.Mode, Privacy: v.Channel.Privacy,
		Metadata: v.Channel.Metadata, LastMessageTimestamp: last.Optional(),
	}, err
}

// lastMessage is the time of the latest persistent message that the caller may see, zero when there
// is none.
func (v *Visit) lastMessage(r store.Reader) (chime.Millis, error) {
	last, _, err := v.latest(r)
	return last, err
}

// latest is the time of the latest persistent message that the caller may see, and its position in
// a standard channel: one to all members, or a targeted one to or from the caller. In an elastic
// channel callers that manage it see the latest of all sub-channels, a member that of its own, and
// all others none.
func (v *Visit) latest(r store.Reader) (last chime.Millis, position uint64, err error) {
	where := v.Prefix()
	if v.isConfined() {
		if v.Membership == nil {
			return 0, 0, nil
		}
		where = where.Str(v.Membership.Sub)
	}

	activity, _, err := store.Activities.Get(r, where)
	if err != nil {
		return 0, 0, err
	}
	last, position = activity.LastMessage, activity.LastPosition()

	// Targeted messages count for their target and sender alone.
	switch m := v.Membership; {
	case m == nil:
		return last, position, nil
	case m.Sub == "" && m.TargetedPosition > position:
		return m.LastTargeted, m.TargetedPosition, nil
	case m.Sub == "" || !v.CanManage():
		return max(last, m.LastTargeted), position, nil
	}

	// A manager of an elastic channel may have several memberships.
	all, err := v.membershipsOf(r, v.Actor.Ref)
	for _, m := range all {
		last = max(last, m.LastTargeted)
	}
	return last, position, err
}
