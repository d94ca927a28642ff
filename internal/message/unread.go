package message

import (
	"bytes"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// outlines reads the messages without decoding what they say.
var outlines = store.Table[chime.MessageOutline]{ID: store.Messages.ID, Name: store.Messages.Name}

// Unread counts the persistent STANDARD messages that a member has not read: those of others that
// it sees, that are not redacted and that were created after its read marker, all when it has
// none.
func (s *Service) Unread(r store.Reader, v *channel.Visit) (count uint64, err error) {
	unread := store.Prefix(v.History())
	if marker := v.Membership.ReadMarker; marker != 0 {
		unread.From = v.History().Str(chime.FirstMessageID(marker + 1))
	}
	floor, err := s.floor(r, v)
	if err != nil {
		return 0, err
	}
	if bytes.Compare(unread.From, floor) < 0 {
		unread.From = floor
	}
	err = outlines.Each(r, unread, func(_ store.Key, m chime.MessageOutline) (bool, error) {
		if counts(v, m) {
			count++
		}
		return true, nil
	})
	return count, err
}

// counts tells whether a message that was not read is one to tell its reader of.
func counts(v *channel.Visit, m chime.MessageOutline) bool {
	return m.Type == messaging.ChannelMessageTypeStandard && !m.Redacted && m.Sender != v.Actor.Ref &&
		sees(v, &chime.Message{Sender: m.Sender, Target: m.Target, Status: m.Status})
}
