package flow

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// AssociateChannelFlow gives a channel its flow, as an admin or a moderator. The same flow
// again changes nothing; a different one is a ConflictException.
func (s *Service) AssociateChannelFlow(ctx context.Context, req *messaging.AssociateChannelFlowRequest) (*messaging.AssociateChannelFlowResponse, error) {
	return nil, s.manage(ctx, "AssociateChannelFlow", req.ChimeBearer, req.ChannelARN, req.ChannelFlowARN, func(tx store.Tx, v *channel.Visit, at chime.Resource) error {
		_, found, err := find(tx, at)
		if err != nil {
			return err
		}
		if !found {
			return api.NotFound("ChannelFlowArn does not name a channel flow that exists")

		}
		switch v.Channel.Flow {
		case at.ID:
			return nil
		case "":
			return v.SetFlow(tx, at.ID, s.now())
		}
		return api.Conflict("the channel has another channel flow")
	})
}

// DisassociateChannelFlow takes the flow away from that one channel. A flow that the channel
// does not have is a NotFoundException.
func (s *Service) DisassociateChannelFlow(ctx context.Context, req *messaging.DisassociateChannelFlowRequest) (*messaging.DisassociateChannelFlowResponse, error) {
	return nil, s.manage(ctx, "DisassociateChannelFlow", req.ChimeBearer, req.ChannelARN, req.ChannelFlowARN, func(tx store.Tx, v *channel.Visit, at chime.Resource) error {
		if v.Channel.Flow != at.ID {
			return api.NotFound("ChannelFlowArn is not the channel flow of the channel")
		}
		return v.SetFlow(tx, "", s.now())
	})
}

// manage runs f as a transaction for a caller that manages the channel, with a flow of the same
// app instance.
func (s *Service) manage(ctx context.Context, operation, bearer, channelARN, flowARN string, f func(store.Tx, *channel.Visit, chime.Resource) error) error {
	at, err := s.parse(flowARN)
	if err != nil {
		return err
	}

	err = s.store.Update(ctx, at.App, func(tx store.Tx) error {
		v, err := channel.Enter(tx, s.site, bearer, channelARN)
		if err != nil {
			return err
		}
		if !v.CanManage() {
			return v.Explain(operation, channel.ErrRole)
		}
		if at.App != v.Actor.App {
			return api.Forbidden("ChannelFlowArn and ChannelArn belong to different app instances")
		}
		return f(tx, v, at)
	})
	return channel.DeclaresNotFound(err)
}

// ListChannelsAssociatedWithChannelFlow lists the channels that have the flow, in order of
// their creation. Unlike other lists of channels its items are flat.
func (s *Service) ListChannelsAssociatedWithChannelFlow(ctx context.Context, req *messaging.ListChannelsAssociatedWithChannelFlowRequest) (*messaging.ListChannelsAssociatedWithChannelFlowResponse, error) {
	at, err := s.parse(req.ChannelFlowARN)
	if err != nil {
		return nil, err
	}

	resp := new(messaging.ListChannelsAssociatedWithChannelFlowResponse)
	page := store.NewPage("ListChannelsAssociatedWithChannelFlow "+at.App+" "+at.ID, req.MaxResults, req.NextToken)
	err = s.store.View(ctx, at.App, func(r store.Reader) error {
		if _, err := require(r, at); err != nil {
			return err
		}
		resp.Channels, resp.NextToken, err = store.List(r, store.FlowChannels, store.Prefix(key(at.App, at.ID)), page,
			func(p chime.ChannelEntry) (messaging.ChannelAssociatedWithFlowSummary, bool, error) {
				c, found, err := store.Channels.Get(r, store.K(at.App, p.ChannelID))
				return messaging.ChannelAssociatedWithFlowSummary{
					Name: c.Name, ChannelARN: s.site.ChannelARN(at.App, c.ID), Mode: c.Mode, Privacy: c.Privacy, Metadata: c.Metadata,
				}, found && c.UID == p.UID, err
			})
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
