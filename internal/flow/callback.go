package flow

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// ChannelFlowCallback takes a processor's version of a message. Processors are not invoked, so
// none waits for an answer and every CallbackId is an unknown one: a ForbiddenException
// (spec 7.4).
func (s *Service) ChannelFlowCallback(ctx context.Context, req *messaging.ChannelFlowCallbackRequest) (*messaging.ChannelFlowCallbackResponse, error) {
	at, err := s.site.ParseKind("ChannelArn", req.ChannelARN, chime.KindChannel)
	if err != nil {
		return nil, err
	}
	if err := checkCallback(req.ChannelMessage); err != nil {
		return nil, err
	}
	return nil, s.store.View(ctx, at.App, func(r store.Reader) error {
		found, err := store.AppInstances.Has(r, store.K(at.App))
		if err == nil && found {
			found, err = store.Channels.Has(r, store.K(at.App, at.ID))
		}

		if err != nil {
			return err
		}
		if !found {
			return api.Forbidden("ChannelArn does not name a channel that exists")
		}
		return api.Forbidden("CallbackId is not that of a message which waits for its channel flow")
	})
}

// checkCallback applies the limits of STANDARD messages: those of other types pass no
// flow.
func checkCallback(m *messaging.ChannelMessageCallback) error {
	if m.Content != nil {
		if err := chime.CheckContent("ChannelMessage.Content", messaging.ChannelMessageTypeStandard, *m.Content); err != nil {
			return err
		}
	}
	return chime.CheckAttributes("ChannelMessage.MessageAttributes", m.MessageAttributes)
}
