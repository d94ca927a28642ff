package message

import (
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Notifying is the message of an event of the log whose notification is to be pushed, as it is now. found is
// false when it is gone, was redacted, or is past the retention of its app instance.
func (s *Service) Notifying(r store.Reader, e *chime.Event) (m chime.Message, found bool, err error) {
	if there, err := isThere(r, e); err != nil || !there {
		return m, false, err
	}
	m, err = s.present(r, channel.EventVisit(s.site, e), e)
	return m, m.Push != nil && !m.Redacted && sent(&m), err
}

// notifyOf hands on a message that is not persistent, when one of its events says that its notification is
// to be pushed. Such messages are in memory alone, and so are their notifications.
func (s *Service) notifyOf(events []chime.Event, m *chime.Message) {
	for i := range events {
		if e := &events[i]; e.Push {
			s.notify(e.App, chime.ChannelEntry{ChannelID: e.ChannelID, UID: e.Channel, Sub: e.Sub}, m)
		}
	}
}
