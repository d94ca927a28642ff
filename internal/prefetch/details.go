package prefetch

import (
	"context"
	"strconv"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Details is the Payload of the CHANNEL_DETAILS event about one channel, or about one sub-channel
// of an elastic one, as JSON: what the user sees of it as a member at one moment. With unread it
// also has UnreadCount. ok is false when the user is no member any more or the channel is gone.
func (s *Service) Details(ctx context.Context, app string, user chime.Ref, at chime.ChannelEntry, unread bool) (payload []byte, ok bool, err error) {
	err = s.store.View(ctx, app, func(r store.Reader) error {
		v, err := s.channels.VisitAt(r, app, user, at)
		if err != nil || v == nil {
			return err
		}
		payload, err = s.details(r, v, unread)
		ok = err == nil
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return payload, ok, nil
}

func (s *Service) details(r store.Reader, v *channel.Visit, unread bool) (b []byte, err error) {
	summary, err := v.Summary(r)
	if err != nil {
		return nil, err
	}
	b = summary.AppendJSON(append(make([]byte, 0, firstRoom), `{"Channel":`...), api.ISO)
	if v.Sub != "" {
		b = api.AppendString(append(b, `,"SubChannelId":`...), v.Sub)
	}

	common, err := s.common(r, v)
	if err != nil {
		return nil, err
	}
	b = append(b, common...)

	if marker := v.Membership.ReadMarker; marker != 0 {
		b = api.ISO.Append(append(b, `,"ReadMarkerTimestamp":`...), marker.Time())
	}
	if unread {
		count, err := s.unread.Count(r, v)
		if err != nil {
			return nil, err
		}
		b = strconv.AppendUint(append(b, `,"UnreadCount":`...), count, 10)
	}
	return append(b, '}'), nil
}

// firstRoom is enough for the members of most channels.
const firstRoom = 8 << 10

// common is the part of the details that most members see alike: the messages and the members. It
// is made anew when something has changed for the user since it was made.
func (s *Service) common(r store.Reader, v *channel.Visit) (text []byte, err error) {
	now, err := r.Position()
	if err != nil {
		return nil, err
	}
	ordinary := v.Sub == "" && v.CanSend() // balancing moves members without an event for the others
	if ordinary {
		if text, err = s.kept.find(r, v, now); text != nil || err != nil {
			return text, err
		}
	}

	text, common, err := s.render(r, v)
	if err == nil && ordinary && common {
		s.kept.put(v.Channel.UID, excerpt{v.Actor.App, now, text})
	}
	return text, err
}

// render is the messages and the members as JSON. common reports that other members would see the
// same.
func (s *Service) render(r store.Reader, v *channel.Visit) (b []byte, common bool, err error) {
	latest, err := s.messages.Latest(r, v, maxMessages)
	if err != nil {
		return nil, false, err
	}
	members, err := v.Members(r, maxMembers)
	if err != nil {
		return nil, false, err
	}

	b = append(append(make([]byte, 0, len(latest.Messages)+firstRoom), `,"ChannelMessages":[`...), latest.Messages...)
	b = api.AppendBool(append(b, `],"ChannelMessagesHasMore":`...), latest.More)
	b = append(b, `,"ChannelMemberships":`...)
	start := len(b)
	for i := range members {
		b = members[i].AppendJSON(append(b, ','), api.ISO)
	}
	return api.CloseArray(b, start), latest.Common, nil
}
