package message

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// sendLive publishes a message that is not persistent. It reaches connected members and is written
// nowhere.
func (s *Service) sendLive(ctx context.Context, req *messaging.SendChannelMessageRequest) (receipt, error) {
	call, err := s.tokens.Call(scope(req), req)
	if err != nil {
		return receipt{}, err
	}

	var done sending
	err = s.viewBy(ctx, sender, "SendChannelMessage", req.ChimeBearer, req.ChannelARN, req.SubChannelID, func(r store.Reader, v *channel.Visit) error {
		if err := requireSender(v, req); err != nil {
			return err
		}

		// A message like a persistent one, but with a time of its own.
		call.Within(v.Channel.UID, v.Actor.Since)
		m := newMessage(v, req)
		if _, err := s.setTarget(r, v, req, &m); err != nil {
			return err
		}
		if m.Target != "" || v.Channel.Flow != "" { // its audience depends on it
			if m.After, err = r.Position(); err != nil {
				return err
			}
		}
		m.Created = s.now()
		m.Updated = m.Created
		if m.ID, err = chime.NewMessageID(s.random, m.Created, 0); err != nil {
			return err
		}

		if done.after, err = r.Position(); err != nil {
			return err
		}
		done.message = &m
		done.events, done.entry, err = s.liveEvents(r, v, &m)
		done.answer = receipt{m.ID, done.entry != nil}.String()
		return err
	})
	if err != nil {
		return receipt{}, err
	}

	waits := done.entry != nil && done.entry.Callback != ""
	if waits && !s.passing.hasRoom() {
		return receipt{}, api.ServiceUnavailable("too many messages that are not persistent wait for channel flows")
	}
	answer, repeated, err := s.live.Do(&call, done.answer)
	if err == nil && !repeated {
		app := s.site.AppOf(req.ChannelARN)
		if waits {
			s.passing.add(app, &done.entry.Processing)
		}
		s.bus.Publish(app, done.after, done.events...)
		s.notifyOf(done.events, done.message)
		s.entered(ctx, req.ChannelARN, done.entry)
	}
	return parseReceipt(answer), err
}

// liveEvents are the events of a message that is not persistent, and how it entered a flow.
func (s *Service) liveEvents(r store.Reader, v *channel.Visit, m *chime.Message) (events []chime.Event, entered *entry, err error) {
	kind := chime.EventCreateMessage
	if flowFor(v, m.Type) != "" {
		if entered, err = s.enter(r, v, m, v.Self(), nil); err != nil {
			return nil, nil, err
		}
		events, kind = append(events, entered.pending), creation.of(m.Status)
	}
	if m.Status != messaging.ChannelMessageStatusPending {
		e, err := s.event(r, kind, v, m, v.Self())
		if err != nil {
			return nil, nil, err
		}
		events = append(events, e)
	}

	for i := range events {
		events[i].Ephemeral = true
	}
	return events, entered, nil
}
