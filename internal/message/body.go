package message

import (
	"cmp"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Body is the payload of an event of a message for a reader that comes to the event late: the log
// keeps none, and what was in memory may have been withdrawn. It shows the message as it is in the
// moment that r reads, with the status that the event is about. A message that is gone, or past the
// retention of its app instance, is shown without what its sender wrote.
func (s *Service) Body(r store.Reader, e *chime.Event) ([]byte, error) {
	if e.Ephemeral && e.Payload != nil { // it is kept nowhere else, and goes with its channel alone
		if there, err := isThere(r, e); err != nil || there {
			return e.Payload, err
		}
	}

	v := channel.EventVisit(s.site, e)
	m, err := s.present(r, v, e)
	if err != nil {
		return nil, err
	}

	// The status is that of the event, not that of now.
	if status := e.Kind().Status; status != m.Status {
		if m.Status, m.Detail = status, ""; status == messaging.ChannelMessageStatusFailed {
			m.Detail = detailFailed
		}
	}

	sender, err := v.Sender(r, &m)
	if err != nil {
		return nil, err
	}
	return s.show(v, &m, sender).AppendJSON(nil, api.ISO), nil
}

// isThere reports whether the app instance and the channel of an event are there.
func isThere(r store.Reader, e *chime.Event) (bool, error) {
	there, err := store.AppInstances.Has(r, store.K(e.App))
	if err != nil || !there {
		return false, err
	}
	c, found, err := store.Channels.Get(r, store.K(e.App, e.ChannelID))
	return found && c.UID == e.Channel, err
}

// present is the message of an event as far as it can be seen. In an app instance that was deleted
// none can, though its records are removed later.
func (s *Service) present(r store.Reader, v *channel.Visit, e *chime.Event) (chime.Message, error) {
	// What an event knows of a message that is gone.
	gone := chime.Message{
		ID: e.Object, Sender: e.Subject, Type: messaging.ChannelMessageType(e.MessageType), Target: e.Target, Sub: e.Sub,
		Persistence: messaging.ChannelMessagePersistenceTypePersistent, Status: e.Kind().Status,
		Created: cmp.Or(chime.MessageTime(e.Object), e.Time), Updated: e.Time, After: e.Position - 1,
	}
	if e.Ephemeral {
		gone.After = e.Position
		gone.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
	}
	if e.Kind().Edits {
		gone.Edited = e.Time
	}

	app, found, err := store.AppInstances.Get(r, store.K(e.App))
	if err != nil || !found {
		return gone, err
	}

	m, found, err := store.Messages.Get(r, key(v, e.Object))
	if err != nil || !found || m.Created < oldest(&app, s.now()) {
		return gone, err
	}
	if e.Kind().Status != messaging.ChannelMessageStatusPending || !sent(&m) {
		return m, nil
	}

	// A version that waits for a flow is kept beside the one that others see.
	p, waits, err := store.Processings.Get(r, key(v, e.Object))
	if err == nil && waits {
		m = p.Message
	}
	return m, err
}
