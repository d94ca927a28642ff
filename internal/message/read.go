package message

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// GetChannelMessage answers one message to a caller that may read the channel.
func (s *Service) GetChannelMessage(ctx context.Context, req *messaging.GetChannelMessageRequest) (*messaging.GetChannelMessageResponse, error) {
	resp := new(messaging.GetChannelMessageResponse)
	err := s.view(ctx, "GetChannelMessage", req.ChimeBearer, req.ChannelARN, req.SubChannelID, func(r store.Reader, v *channel.Visit) error {
		if !v.CanRead() {
			return channel.ErrRole
		}

		m, found, err := s.find(r, v, req.MessageID)
		if err != nil {
			return err
		}
		if !found {
			return api.NotFound("the message does not exist")
		}

		sender, err := v.Sender(r, &m)
		resp.ChannelMessage = s.show(v, &m, sender)
		return err
	})
	return resp, channel.DeclaresNotFound(err)
}

// GetChannelMessageStatus answers the status of the caller's own message (rule u).
func (s *Service) GetChannelMessageStatus(ctx context.Context, req *messaging.GetChannelMessageStatusRequest) (*messaging.GetChannelMessageStatusResponse, error) {
	resp := new(messaging.GetChannelMessageStatusResponse)
	err := s.view(ctx, "GetChannelMessageStatus", req.ChimeBearer, req.ChannelARN, req.SubChannelID, func(r store.Reader, v *channel.Visit) error {
		if !v.CanRead() {
			return channel.ErrRole
		}
		m, found, err := s.find(r, v, req.MessageID)
		if err != nil {
			return err
		}
		if !found { // it is not persistent, and has a status while it waits
			p, waits := s.passing.find(v.Actor.App, req.MessageID)
			m, found = p.Message, waits && p.Channel.UID == v.Channel.UID && p.Channel.Sub == v.Sub
		}
		if !found || !v.Actor.Sent(&m) {
			return errNoMessage
		}
		resp.Status = status(&m)

		// While an edit waits, that is what the sender asks about.
		if flowFor(v, m.Type) == "" || !sent(&m) {
			return nil
		}
		waits, err := store.Processings.Has(r, key(v, m.ID))
		resp.Status = firstStatus(waits)
		return err
	})
	return resp, err
}

// ListChannelMessages lists the persistent messages that the caller sees, by default the
// newest first. Both bounds of time are inclusive.
func (s *Service) ListChannelMessages(ctx context.Context, req *messaging.ListChannelMessagesRequest) (*messaging.ListChannelMessagesResponse, error) {
	resp := &messaging.ListChannelMessagesResponse{ChannelARN: req.ChannelARN}
	err := s.viewPage(ctx, req, func(r store.Reader, v *channel.Visit) error {
		l, err := s.listing(r, v, req)
		if err != nil {
			return err
		}
		resp.SubChannelID = v.Sub
		resp.ChannelMessages, resp.NextToken, err = store.List(r, store.Messages, l.history, l.page, s.summaries(r, v, l.asked))
		return err
	})
	return resp, err
}

// viewPage runs f on one moment for a caller that may list messages.
func (s *Service) viewPage(ctx context.Context, req *messaging.ListChannelMessagesRequest, f func(store.Reader, *channel.Visit) error) error {
	if req.NotBefore != nil && req.NotAfter != nil && req.NotBefore.After(*req.NotAfter) {
		return api.BadRequest("NotBefore", "is later than NotAfter")
	}
	return s.view(ctx, "ListChannelMessages", req.ChimeBearer, req.ChannelARN, req.SubChannelID, func(r store.Reader, v *channel.Visit) error {
		if !v.CanRead() {
			return channel.ErrRole
		}
		return f(r, v)
	})
}

// listing is one page of the messages of a time.
type listing struct {
	history store.Range
	page    store.Page
	asked   span
}

// listing is what a request asks for.
func (s *Service) listing(r store.Reader, v *channel.Visit, req *messaging.ListChannelMessagesRequest) (l listing, err error) {
	l.asked = period(req)
	if l.history, err = l.asked.in(r, v); err != nil {
		return l, err
	}
	l.history.Reverse = req.SortOrder != messaging.SortOrderAscending
	scope := fmt.Sprintf("ListChannelMessages %s %v %x %x", v.Channel.UID, l.history.Reverse, l.history.From, l.history.To)
	l.page = store.NewPage(scope, req.MaxResults, req.NextToken)

	// What retention hides.
	oldest, err := s.Oldest(r, v)
	l.page.Floor = Floor(v, oldest)
	l.asked.from = max(l.asked.from, oldest)
	return l, err
}

// summaries turns the messages of a time that the caller sees into summaries.
func (s *Service) summaries(r store.Reader, v *channel.Visit, of span) func(chime.Message) (messaging.ChannelMessageSummary, bool, error) {
	return func(m chime.Message) (messaging.ChannelMessageSummary, bool, error) {
		if !sees(v, &m) || !of.holds(m.Created) {
			return messaging.ChannelMessageSummary{}, false, nil
		}
		sender, err := v.Sender(r, &m)
		return *s.summary(new(shown), v, &m, sender), true, err
	}
}

// span is a stretch of creation times, both ends included.
type span struct{ from, to chime.Millis }

const forever chime.Millis = math.MaxInt64

func (s span) holds(at chime.Millis) bool { return s.from <= at && at <= s.to }

// period is the time that a list request covers, in whole milliseconds.
func period(req *messaging.ListChannelMessagesRequest) span {
	asked := span{to: forever}
	if req.NotBefore != nil {
		asked.from = chime.At(req.NotBefore.Add(time.Millisecond - 1))
	}
	if req.NotAfter != nil {
		asked.to = chime.At(*req.NotAfter)
	}
	return asked
}

// in is the range of the history that has all messages of the time. Message ids begin with the time
// of creation, or with one that is later by as much as the channel's ids were ever ahead.
func (s span) in(r store.Reader, v *channel.Visit) (store.Range, error) {
	rng := store.Prefix(v.History())
	if s.from > 0 {
		rng.From = v.History().Str(chime.FirstMessageID(s.from))
	}
	if s.to == forever {
		return rng, nil
	}
	activity, _, err := store.Activities.Get(r, v.History())
	if err != nil {
		return rng, err
	}
	rng.To = v.History().Str(chime.FirstMessageID(s.to + activity.MostAhead + 1))
	return rng, nil
}
