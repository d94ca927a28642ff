package unread

import (
	"bytes"
	"errors"
	"math"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
)

// ErrNotMember says that the user is not a member of the channel, or that the channel is gone.
var ErrNotMember = errors.New("unread: the user is not a member of the channel")

// Counter counts unread messages. It is safe for concurrent use.
type Counter struct {
	channels *channel.Service
	messages *message.Service
}

// NewCounter makes a Counter of the messages in these channels.
func NewCounter(channels *channel.Service, messages *message.Service) *Counter {
	return &Counter{channels, messages}
}

// Reading is what one moment of the store says about a membership.
type Reading struct {
	Count    uint64
	Marker   chime.Millis // the read marker, zero when there is none
	Position uint64       // of the log at that moment
}

// Read counts for the member whose list of memberships has the entry at. It returns ErrNotMember when
// the membership or the channel is gone.
func (c *Counter) Read(r store.Reader, app string, user chime.Ref, at chime.ChannelEntry) (now Reading, err error) {
	v, err := c.channels.VisitAt(r, app, user, at)
	if err != nil {
		return now, err
	}
	if v == nil {
		return now, ErrNotMember
	}
	now.Marker = v.Membership.ReadMarker
	if now.Position, err = r.Position(); err != nil {
		return now, err
	}
	now.Count, err = c.Count(r, v)
	return now, err
}

// Count counts the unread messages of the member that v describes.
func (c *Counter) Count(r store.Reader, v *channel.Visit) (count uint64, err error) {
	return c.count(r, v, math.MaxUint64)
}

// count is Count up to a number.
func (c *Counter) count(r store.Reader, v *channel.Visit, most uint64) (count uint64, err error) {
	oldest, err := c.messages.Oldest(r, v)
	if err != nil {
		return 0, err
	}
	err = r.Scan(store.Messages.ID, after(v, oldest), func(_ store.Key, record []byte) (bool, error) {
		is, err := counts(v.Actor.Holder, oldest, record)
		if is {
			count++
		}
		return count < most, err
	})
	return count, err
}

// after is the part of the history that the member has not read and that retention still shows.
func after(v *channel.Visit, oldest chime.Millis) store.Range {
	history := store.Prefix(v.History())
	switch m := v.Membership; {
	case m.FirstUnread != 0:
		history.From = v.History().Str(chime.MessageIDFrom(m.ReadClock, m.FirstUnread))
	case m.ReadMarker != 0: // the record is older than positions of read markers
		history.From = v.History().Str(chime.FirstMessageID(m.ReadMarker + 1))
	}
	if floor := message.Floor(v, oldest); bytes.Compare(history.From, floor) < 0 {
		history.From = floor
	}
	return history
}

// counts reports whether a message counts as unread for the reader: it is a STANDARD message of another
// user that the reader sees and that is not redacted. Only the fields that decide are decoded, because
// there may be many messages that were never read.
func counts(reader chime.Holder, oldest chime.Millis, record []byte) (bool, error) {
	var standard, redacted, sent, bySame, targeted, toSame bool // the same id, if not the same user
	var created, after uint64
	err := store.Fields(record, func(key uint64, m store.Field) {
		switch key {
		case chime.MessageSender:
			bySame = string(m.Text) == string(reader.Ref)
		case chime.MessageType:
			standard = string(m.Text) == string(messaging.ChannelMessageTypeStandard)
		case chime.MessageTarget:
			targeted, toSame = true, string(m.Text) == string(reader.Ref)
		case chime.MessageCreated:
			created = m.Number
		case chime.MessageRedacted:
			redacted = m.True
		case chime.MessageStatus:
			sent = string(m.Text) == string(messaging.ChannelMessageStatusSent)
		case chime.MessageAfter:
			after = m.Number
		}
	})

	// An id may have had another holder when the message was sent.
	held := reader.Held(after, chime.Millis(created))
	own, forOthers := bySame && held, targeted && !(toSame && held)
	return standard && sent && !redacted && !own && !forOthers && chime.Millis(created) >= oldest, err
}
