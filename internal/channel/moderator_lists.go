package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// ListChannelsModeratedByAppInstanceUser lists the channels that the caller moderates, or for
// admins those of any user or bot of the app instance (rule g).
func (s *Service) ListChannelsModeratedByAppInstanceUser(ctx context.Context, req *messaging.ListChannelsModeratedByAppInstanceUserRequest) (*messaging.ListChannelsModeratedByAppInstanceUserResponse, error) {
	resp := new(messaging.ListChannelsModeratedByAppInstanceUserResponse)
	err := s.viewOf(ctx, req.ChimeBearer, req.AppInstanceUserARN, func(r store.Reader, actor identity.Actor, ref chime.Ref) (err error) {
		list := store.Prefix(store.K(actor.App, string(ref)))
		page := store.NewPage("ListChannelsModeratedByAppInstanceUser "+actor.App+" "+string(ref), req.MaxResults, req.NextToken)
		resp.Channels, resp.NextToken, err = store.List(r, store.ModeratedBy, list, page,
			func(at chime.ChannelEntry) (shown messaging.ChannelModeratedByAppInstanceUserSummary, ok bool, err error) {
				c, found, err := channelAt(r, actor.App, at)
				if err != nil || !found {
					return shown, false, err
				}
				summary, err := s.summaryFor(r, actor, c)
				return messaging.ChannelModeratedByAppInstanceUserSummary{ChannelSummary: &summary}, true, err
			})
		return err
	})
	return resp, err
}

// DescribeChannelModeratedByAppInstanceUser answers a channel that the user moderates. Managers and
// members may name any user, others only themselves (rule h).
func (s *Service) DescribeChannelModeratedByAppInstanceUser(ctx context.Context, req *messaging.DescribeChannelModeratedByAppInstanceUserRequest) (*messaging.DescribeChannelModeratedByAppInstanceUserResponse, error) {
	resp := new(messaging.DescribeChannelModeratedByAppInstanceUserResponse)
	err := s.view(ctx, "DescribeChannelModeratedByAppInstanceUser", req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) error {
		ref, err := v.parse("AppInstanceUserArn", req.AppInstanceUserARN)
		if err != nil {
			return err
		}

		if err := require(v.CanManage() || v.CanSend() || v.CanRead() && ref == v.Actor.Ref); err != nil {
			return err
		}
		if err := v.refuseElastic(); err != nil {
			return err
		}

		isModerator, err := v.isModerator(r, ref)
		if err != nil {
			return err
		}
		if !isModerator {
			return api.Forbidden("AppInstanceUserArn is not a moderator of the channel")
		}

		summary, err := v.Summary(r)
		resp.Channel = &messaging.ChannelModeratedByAppInstanceUserSummary{ChannelSummary: &summary}
		return err
	})
	return resp, err
}
