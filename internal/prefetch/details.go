package prefetch

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
)

// AppendDetails appends to b the Payload of the CHANNEL_DETAILS event about one channel, or about one
// sub-channel of an elastic one: what the user sees of it as a member at one moment. It is the inside of a
// JSON string that holds JSON, as frames have it. With unread it also has UnreadCount. ok is false when the
// user is no member any more or the channel is gone.
func (s *Service) AppendDetails(ctx context.Context, b []byte, app string, user chime.Ref, at chime.ChannelEntry, unread bool) (text []byte, ok bool, err error) {
	err = s.store.View(ctx, app, func(r store.Reader) error {
		v, err := s.channels.VisitAt(r, app, user, at)
		if err != nil || v == nil {
			return err
		}
		text, err = s.appendDetails(b, r, v, unread)
		ok = err == nil
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return text, ok, nil
}

func (s *Service) appendDetails(b []byte, r store.Reader, v *channel.Visit, unread bool) (_ []byte, err error) {
	summary, err := v.Summary(r)
	if err != nil {
		return nil, err
	}
	var room [512]byte
	head := summary.AppendJSON(append(room[:0], `{"Channel":`...), api.ISO)
	if v.Sub != "" {
		head = api.AppendString(append(head, `,"SubChannelId":`...), v.Sub)
	}

	// The parts that most members see alike.
	messages, err := s.part(r, v, latestMessages)
	if err != nil {
		return nil, err
	}
	members, err := s.part(r, v, firstMembers)
	if err != nil {
		return nil, err
	}
	b = slices.Grow(b, 2*len(head)+len(messages)+len(members)+tailRoom)
	b = append(append(api.AppendInString(b, head), messages...), members...)

	// What is the member's own.
	tail := room[:0]
	if marker := v.Membership.ReadMarker; marker != 0 {
		tail = api.ISO.Append(append(tail, `,"ReadMarkerTimestamp":`...), marker.Time())
	}
	if unread {
		count, err := s.unread.Count(r, v)
		if err != nil {
			return nil, err
		}
		tail = strconv.AppendUint(append(tail, `,"UnreadCount":`...), count, 10)
	}
	return api.AppendInString(b, append(tail, '}')), nil
}

// tailRoom is enough for what is the member's own, and for the end of the frame.
const tailRoom = 128

// part is a part of the details that most members see alike. It is made anew when something has changed for
// the user since it was made.
func (s *Service) part(r store.Reader, v *channel.Visit, part part) (text []byte, err error) {
	if v.Sub != "" || !v.CanSend() { // balancing moves members without an event for the others
		made := excerpt{}
		err = s.render(&made, r, v, part, message.Latest{})
		return made.text, err
	}

	made := excerpt{app: v.Actor.App}
	if made.at, err = r.Position(); err != nil {
		return nil, err
	}
	made.versions, made.versioned = message.VersionsOf(r, v, part.table())
	at := place{v.Channel.UID, part}
	kept, holds, err := s.kept.find(r, v, at, made)
	if holds || err != nil {
		return kept.text, err
	}

	var earlier message.Latest
	if made.versioned && kept.versioned && made.versions.ShowAlike(kept.versions) {
		earlier = kept.latest
	}
	err = s.render(&made, r, v, part, earlier)
	if err == nil && made.common {
		s.kept.put(at, made)
	}
	return made.text, err
}

// render makes the text of an excerpt, of messages with those of an earlier one that are the same. It sets common
// when other members would see the same.
func (s *Service) render(made *excerpt, r store.Reader, v *channel.Visit, part part, earlier message.Latest) error {
	room := scratch.Get().(*[]byte)
	b := (*room)[:0]
	var err error
	if part == latestMessages {
		b, err = s.appendMessages(b, made, r, v, earlier)
	} else {
		b, err = s.appendMembers(b, made, r, v)
	}
	if err != nil {
		return err
	}
	if *room = b; cap(b) <= keptScratch {
		scratch.Put(room)
	}
	return nil
}

// scratch is where parts are made, before it is known how long they are.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

const keptScratch = 256 << 10

const openMessages = `,\"ChannelMessages\":[`

func (s *Service) appendMessages(b []byte, made *excerpt, r store.Reader, v *channel.Visit, earlier message.Latest) ([]byte, error) {
	b, latest, err := s.messages.AppendLatest(append(b, openMessages...), r, v, maxMessages, earlier)
	if err != nil {
		return nil, err
	}
	b = api.AppendBool(append(b, `],\"ChannelMessagesHasMore\":`...), latest.More)

	made.text, made.common = bytes.Clone(b), latest.Common
	latest.Text = made.text[len(openMessages):][:len(latest.Text)]
	made.latest = latest
	return b, nil
}

func (s *Service) appendMembers(b []byte, made *excerpt, r store.Reader, v *channel.Visit) ([]byte, error) {
	members, err := v.Members(r, maxMembers)
	if err != nil {
		return nil, err
	}
	b = append(b, `,"ChannelMemberships":`...)
	start := len(b)
	for i := range members {
		b = members[i].AppendJSON(append(b, ','), api.ISO)
	}
	b = api.CloseArray(b, start)

	// Both forms lie in b, the second behind the first.
	plain := len(b)
	b = api.AppendInString(b, b)
	made.text, made.common = bytes.Clone(b[plain:]), true
	return b, nil
}
