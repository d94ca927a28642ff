package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateChannelModerator makes a user or bot a moderator, which need not be a member (rule v).
// Sockets are not notified, but for the memberships of an elastic channel, which end.
func (s *Service) CreateChannelModerator(ctx context.Context, req *messaging.CreateChannelModeratorRequest) (*messaging.CreateChannelModeratorResponse, error) {
	resp := &messaging.CreateChannelModeratorResponse{ChannelARN: req.ChannelARN}
	err := s.update(ctx, "CreateChannelModerator", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}

		ref, err := v.find(tx, "ChannelModeratorArn", req.ChannelModeratorARN)
		if err != nil {
			return err
		}
		if err := v.refuseBanned(tx, "ChannelModeratorArn", ref); err != nil {
			return err
		}

		if isModerator, err := v.isModerator(tx, ref); err != nil {
			return err
		} else if isModerator {
			return api.Conflict("ChannelModeratorArn is a moderator of the channel already")
		}

		now := s.now()
		if err := s.removeFromElastic(tx, v, ref, now); err != nil {
			return err
		}
		if err := s.addModerator(tx, v, ref, now); err != nil {
			return err
		}
		resp.ChannelModerator, err = v.Identity(tx, ref)
		return err
	})
	return resp, err
}

// isModerator reports whether a user or bot has the role of moderator, which admins need not.
func (v *Visit) isModerator(r store.Reader, ref chime.Ref) (bool, error) {
	return store.Moderators.Has(r, v.key(ref))
}

// addModerator writes the role with its event, within the limit of the channel.
func (s *Service) addModerator(tx store.Tx, v *Visit, ref chime.Ref, now chime.Millis) (err error) {
	m := chime.Moderator{Ref: ref, CreatedBy: v.Actor.Ref, Created: now}
	if m.Order, err = v.appendModerator(tx, chime.EventCreateModerator, m, now); err != nil {
		return err
	}
	return store.Insert(tx, s.moderatorRows(v, m)...)
}

// DeleteChannelModerator takes the role away, also from the last moderator or from the caller, and
// with it the memberships of an elastic channel. For a user without the role it does nothing.
func (s *Service) DeleteChannelModerator(ctx context.Context, req *messaging.DeleteChannelModeratorRequest) (*messaging.DeleteChannelModeratorResponse, error) {
	err := s.update(ctx, "DeleteChannelModerator", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}

		ref, err := v.parse("ChannelModeratorArn", req.ChannelModeratorARN)
		if err != nil {
			return err
		}
		m, found, err := store.Moderators.Get(tx, v.key(ref))
		if err != nil || !found {
			return err
		}

		now := s.now()
		if err := s.removeFromElastic(tx, v, ref, now); err != nil || v.again {
			return err
		}
		return s.removeModerator(tx, v, m, now)
	})
	return nil, err
}

// removeModerator deletes a moderator role.
func (s *Service) removeModerator(tx store.Tx, v *Visit, m chime.Moderator, now chime.Millis) error {
	if _, err := v.appendModerator(tx, chime.EventDeleteModerator, m, now); err != nil {
		return err
	}
	return store.Remove(tx, s.moderatorRows(v, m)...)
}

// appendModerator appends an event about a moderator role.
func (v *Visit) appendModerator(tx store.Tx, kind string, m chime.Moderator, now chime.Millis) (position uint64, err error) {
	shown, err := v.showModerator(tx, m)
	if err != nil {
		return 0, err
	}
	return tx.Append(v.eventOf(kind, now, m.Ref, shown.AppendJSON(nil, api.ISO)))
}

func (v *Visit) showModerator(r store.Reader, m chime.Moderator) (*messaging.ChannelModerator, error) {
	moderator, err := v.Identity(r, m.Ref)
	if err != nil {
		return nil, err
	}
	by, err := v.IdentityAt(r, m.CreatedBy, m.Order)
	return &messaging.ChannelModerator{
		Moderator: moderator, ChannelARN: v.ARN(), CreatedTimestamp: m.Created.Optional(), CreatedBy: by,
	}, err
}

// DescribeChannelModerator answers one moderator to callers that can manage the channel.
func (s *Service) DescribeChannelModerator(ctx context.Context, req *messaging.DescribeChannelModeratorRequest) (*messaging.DescribeChannelModeratorResponse, error) {
	resp := new(messaging.DescribeChannelModeratorResponse)
	err := s.view(ctx, "DescribeChannelModerator", req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}

		ref, err := v.parse("ChannelModeratorArn", req.ChannelModeratorARN)
		if err != nil {
			return err
		}
		m, found, err := store.Moderators.Get(r, v.key(ref))
		if err != nil {
			return err
		}

		if !found {
			return api.NotFound("ChannelModeratorArn is not a moderator of the channel")
		}
		resp.ChannelModerator, err = v.showModerator(r, m)
		return err
	})
	return resp, DeclaresNotFound(err)
}

// ListChannelModerators lists the moderators in the order in which they got the role.
func (s *Service) ListChannelModerators(ctx context.Context, req *messaging.ListChannelModeratorsRequest) (*messaging.ListChannelModeratorsResponse, error) {
	resp := &messaging.ListChannelModeratorsResponse{ChannelARN: req.ChannelARN}
	err := s.view(ctx, "ListChannelModerators", req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}
		page := store.NewPage("ListChannelModerators "+v.Channel.UID, req.MaxResults, req.NextToken)
		var err error
		resp.ChannelModerators, resp.NextToken, err = store.List(r, store.ModeratorsInOrder, store.Prefix(v.Prefix()), page,
			func(ref chime.Ref) (messaging.ChannelModeratorSummary, bool, error) {
				moderator, err := v.Identity(r, ref)
				return messaging.ChannelModeratorSummary{Moderator: moderator}, true, err
			})
		return err
	})
	return resp, err
}
