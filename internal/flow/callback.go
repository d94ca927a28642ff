package flow

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/message"
)

// ChannelFlowCallback takes a processor's answer: the message as it is to be, or that it is denied (spec
// 7.4). The call has no bearer: IAM alone decides whether the caller may make it.
func (s *Service) ChannelFlowCallback(ctx context.Context, req *messaging.ChannelFlowCallbackRequest) (*messaging.ChannelFlowCallbackResponse, error) {
	at, err := s.site.ParseKind("ChannelArn", req.ChannelARN, chime.KindChannel)
	if err != nil {
		return nil, err
	}
	if err := checkCallback(req.ChannelMessage); err != nil {
		return nil, err
	}
	if err := s.messages.Settle(ctx, at, req); err != nil {
		return nil, err
	}
	return &messaging.ChannelFlowCallbackResponse{ChannelARN: req.ChannelARN, CallbackID: req.CallbackID}, nil
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

// answer takes what a processor answered to its invocation: the body of a callback, in which CallbackId
// and MessageId may be left out.
func (s *Service) answer(ctx context.Context, w message.Waiting, body []byte) error {
	req := new(messaging.ChannelFlowCallbackRequest)
	arn := s.site.ChannelARN(w.App, w.Channel.ChannelID)
	if err := req.Decode(&api.Input{Path: func(string) string { return arn }, Body: body}); err != nil {
		return err
	}

	req.CallbackID = w.Callback
	if req.ChannelMessage == nil {
		req.ChannelMessage = new(messaging.ChannelMessageCallback)
	}
	if req.ChannelMessage.MessageID == "" {
		req.ChannelMessage.MessageID = w.Message
	}
	if err := req.Validate(); err != nil {
		return err
	}
	_, err := s.ChannelFlowCallback(ctx, req)
	return err
}
