package message

import (
	"bytes"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Unread counts the persistent STANDARD messages that a member has not read: those of others that
// it sees, that are not redacted and whose position is after its read marker, all when it has
// none.
func (s *Service) Unread(r store.Reader, v *channel.Visit) (count uint64, err error) {
	unread := store.Prefix(v.History())
	switch m := v.Membership; {
	case m.FirstUnread != 0:
		unread.From = v.History().Str(chime.MessageIDFrom(m.ReadClock, m.FirstUnread))
	case m.ReadMarker != 0: // a record that knows no position
		unread.From = v.History().Str(chime.FirstMessageID(m.ReadMarker + 1))
	}
	oldest, err := s.oldest(r, v)
	if err != nil {
		return 0, err
	}
	if floor := floor(v, oldest); bytes.Compare(unread.From, floor) < 0 {
		unread.From = floor
	}
	err = r.Scan(store.Messages.ID, unread, func(_ store.Key, record []byte) (bool, error) {
		is, err := counts(v.Actor.Holder, oldest, record)
		if is {
			count++
		}
		return true, err
	})
	return count, err
}

// counts tells whether a message is one to tell a reader of who has not read it. It decodes no
// more than what decides, the rules of sees among that: a list of messages that were never read
// can be long.
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
	held := reader.Held(after, chime.Millis(created))
	own, forOthers := bySame && held, targeted && !(toSame && held)
	return standard && sent && !redacted && !own && !forOthers && chime.Millis(created) >= oldest, err
}
