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
		if !found || !v.Actor.Sent(&m) {
			return errNoMessage
		}
		resp.Status = status(&m)
		return nil
	})
	return resp, err
}

// ListChannelMessages lists the persistent messages that the caller sees, by default the
// newest first. Both bounds of time are inclusive.
func (s *Service) ListChannelMessages(ctx context.Context, req *messaging.ListChannelMessagesRequest) (*messaging.ListChannelMessagesResponse, error) {
	resp := &messaging.ListChannelMessagesResponse{ChannelARN: req.ChannelARN}

	if req.NotBefore != nil && req.NotAfter != nil && req.NotBefore.After(*req.NotAfter) {
		return nil, api.BadRequest("NotBefore", "is later than NotAfter")
	}
	err := s.view(ctx, "ListChannelMessages", req.ChimeBearer, req.ChannelARN, req.SubChannelID, func(r store.Reader, v *channel.Visit) (err error) {
		if !v.CanRead() {
			return channel.ErrRole
		}

		resp.SubChannelID = v.Sub
		asked := period(req)
		history, err := asked.in(r, v)
		if err != nil {
			return err
		}

		history.Reverse = req.SortOrder != messaging.SortOrderAscending
		scope := fmt.Sprintf("ListChannelMessages %s %v %x %x", v.Channel.UID, history.Reverse, history.From, history.To)
		page := store.NewPage(scope, req.MaxResults, req.NextToken)
		resp.ChannelMessages, resp.NextToken, err = s.list(r, v, history, asked, page)
		return err
	})
	return resp, err
}

// list reads one page of the messages of a time that the caller sees.
func (s *Service) list(r store.Reader, v *channel.Visit, history store.Range, asked span, page store.Page) (list []messaging.ChannelMessageSummary, next string, err error) {
	oldest, err := s.Oldest(r, v)
	if err != nil {
		return nil, "", err
	}
	page.Floor = Floor(v, oldest)
	asked.from = max(asked.from, oldest)
	return store.List(r, store.Messages, history, page, s.summaries(r, v, asked))
}

// summaries turns the messages of a time that the caller sees into summaries.
func (s *Service) summaries(r store.Reader, v *channel.Visit, of span) func(chime.Message) (messaging.ChannelMessageSummary, bool, error) {
	return func(m chime.Message) (messaging.ChannelMessageSummary, bool, error) {
		if !sees(v, &m) || !of.holds(m.Created) {
			return messaging.ChannelMessageSummary{}, false, nil
		}
		sender, err := v.Sender(r, &m)
		return s.summary(v, &m, sender), true, err
	}
}

// Latest are the newest persistent messages of a channel that a caller sees.
type Latest struct {
	Messages []messaging.ChannelMessageSummary // the newest first
	More     bool                              // there are older ones
	// Common reports that every member sees the same until something changes.
	Common bool
}

// Latest reads at most so many messages for a caller that may read the channel.
func (s *Service) Latest(r store.Reader, v *channel.Visit, limit int) (latest Latest, err error) {
	page := store.Page{Limit: limit}
	oldest, err := s.Oldest(r, v)
	if err != nil {
		return latest, err
	}

	page.Floor = Floor(v, oldest)
	latest.Common = page.Floor == nil // which moves with the time
	history := store.Prefix(v.History())
	history.Reverse = true

	summary, next := s.summaries(r, v, span{from: oldest, to: forever}), ""
	latest.Messages, next, err = store.List(r, store.Messages, history, page,
		func(m chime.Message) (messaging.ChannelMessageSummary, bool, error) {
			latest.Common = latest.Common && sent(&m) && m.Target == ""
			return summary(m)
		})

	latest.More = next != ""
	return latest, err
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
