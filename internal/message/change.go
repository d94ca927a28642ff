package message

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// UpdateChannelMessage edits the caller's own message. Metadata and ContentType stay when they
// are absent.
func (s *Service) UpdateChannelMessage(ctx context.Context, req *messaging.UpdateChannelMessageRequest) (*messaging.UpdateChannelMessageResponse, error) {
	return s.UpdateWith(ctx, req, func(store.Tx, string) error { return nil })
}

// UpdateWith is UpdateChannelMessage together with what the caller writes.
func (s *Service) UpdateWith(ctx context.Context, req *messaging.UpdateChannelMessageRequest, with With) (*messaging.UpdateChannelMessageResponse, error) {
	var sub string
	var entered *entry
	err := s.update(ctx, "UpdateChannelMessage", req.ChimeBearer, req.ChannelARN, req.SubChannelID, func(tx store.Tx, v *channel.Visit) error {
		sub, entered = v.Sub, nil

		m, found, err := s.find(tx, v, req.MessageID)
		if err != nil {
			return err
		}
		if !found {
			return errNoMessage
		}
		if !v.Actor.Sent(&m) || !v.CanEditOwn() {
			return channel.ErrRole
		}

		// Sent, with its content still there, and within the limits of its type.
		if err := changeable(&m); err != nil {
			return err
		}
		if m.Redacted {
			return api.Conflict("the message is redacted")
		}
		before := m.Edited
		if err := edit(&m, req, s.now()); err != nil {
			return err
		}

		if flowFor(v, m.Type) != "" {
			entered, err = s.updateThroughFlow(tx, v, before, &m)
		} else {
			err = s.save(tx, chime.EventUpdateMessage, v, &m)
		}
		if err != nil {
			return err
		}
		return with(tx, m.ID)
	})
	if err != nil {
		return nil, err
	}
	s.entered(ctx, req.ChannelARN, entered)
	return &messaging.UpdateChannelMessageResponse{
		ChannelARN: req.ChannelARN, MessageID: req.MessageID, SubChannelID: sub,
		Status: firstStatus(entered != nil),
	}, nil
}

// errEditWaits refuses an edit of a message whose previous edit has no outcome yet.
var errEditWaits error = api.Conflict("an edit of the message waits for the channel flow")

// changeable refuses to change a message that was not sent, which only its sender can try.
func changeable(m *chime.Message) error {
	if !sent(m) {
		return api.Conflict("the message has the status %s", m.Status)
	}
	return nil
}

// edit applies what the request has of content, metadata and content type.
func edit(m *chime.Message, req *messaging.UpdateChannelMessageRequest, now chime.Millis) error {
	if err := chime.CheckContent("Content", m.Type, req.Content); err != nil {
		return err
	}
	if req.Metadata != nil {
		if m.Type == messaging.ChannelMessageTypeControl && *req.Metadata != "" {
			return api.BadRequest("Metadata", "a CONTROL message has no Metadata")
		}
		m.Metadata = *req.Metadata
	}
	if req.ContentType != nil {
		m.ContentType = *req.ContentType
	}

	m.Content = req.Content
	m.Edited = now.NotBefore(m.Updated)
	m.Updated = m.Edited
	return nil
}

// save writes a changed message together with its event.
func (s *Service) save(tx store.Tx, kind string, v *channel.Visit, m *chime.Message) error {
	sender, err := v.Sender(tx, m)
	if err != nil {
		return err
	}
	if err := store.Messages.Put(tx, key(v, m.ID), *m); err != nil {
		return err
	}
	return s.appendEvent(tx, kind, v, m, sender)
}

// RedactChannelMessage takes the content out of a message: the sender of its own, moderators
// and admins of any that they see. Redacting again changes nothing.
func (s *Service) RedactChannelMessage(ctx context.Context, req *messaging.RedactChannelMessageRequest) (*messaging.RedactChannelMessageResponse, error) {
	var in history
	err := s.update(ctx, "RedactChannelMessage", req.ChimeBearer, req.ChannelARN, req.SubChannelID, func(tx store.Tx, v *channel.Visit) error {
		in = history{v.Channel.UID, v.Sub}
		if !v.CanManage() && !v.CanSend() {
			return channel.ErrRole
		}

		m, found, err := s.find(tx, v, req.MessageID)
		if err != nil {
			return err
		}
		if !found {
			return errNoMessage
		}
		if !v.Actor.Sent(&m) && !v.CanManage() {
			return channel.ErrRole
		}

		if err := changeable(&m); err != nil {
			return err
		}
		if m.Redacted {
			return nil
		}

		m.Redacted, m.Updated = true, s.now().NotBefore(m.Updated)
		strip(&m)
		if err := s.save(tx, chime.EventRedactMessage, v, &m); err != nil {
			return err
		}
		if err := store.Processings.Delete(tx, key(v, m.ID)); err != nil { // an edit in a flow
			return err
		}
		return store.MarkRemoved(tx, v.Actor.App, v.Channel.UID)
	})
	s.newest.forget(in)
	return &messaging.RedactChannelMessageResponse{ChannelARN: req.ChannelARN, MessageID: req.MessageID, SubChannelID: in.sub}, err
}

// strip removes what the sender wrote; ContentType and Target stay.
func strip(m *chime.Message) { m.Content, m.Metadata, m.Attributes, m.Push = "", "", nil, nil }

// DeleteChannelMessage removes a message permanently. Only admins may, also a message that they
// cannot see: a targeted one, one that a flow failed, one past its retention. For one that is gone
// it does nothing.
func (s *Service) DeleteChannelMessage(ctx context.Context, req *messaging.DeleteChannelMessageRequest) (*messaging.DeleteChannelMessageResponse, error) {
	var in history
	err := s.update(ctx, "DeleteChannelMessage", req.ChimeBearer, req.ChannelARN, req.SubChannelID, func(tx store.Tx, v *channel.Visit) error {
		in = history{v.Channel.UID, v.Sub}
		if !v.Actor.Admin {
			return channel.ErrRole
		}
		m, found, err := store.Messages.Get(tx, key(v, req.MessageID))
		if err != nil || !found {
			return err
		}

		sender, err := v.Sender(tx, &m)
		if err != nil {
			return err
		}
		if err := store.Messages.Delete(tx, key(v, m.ID)); err != nil {
			return err
		}
		if err := store.Processings.Delete(tx, key(v, m.ID)); err != nil { // itself or an edit, in a flow
			return err
		}

		// The event shows the message without what its sender wrote.
		m.Updated = s.now().NotBefore(m.Updated)
		strip(&m)
		if err := s.appendEvent(tx, chime.EventDeleteMessage, v, &m, sender); err != nil {
			return err
		}
		return store.MarkRemoved(tx, v.Actor.App, v.Channel.UID)
	})
	s.newest.forget(in)
	return nil, err
}
