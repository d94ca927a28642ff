package message

import (
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Erasing says whose messages are erased, and how.
type Erasing struct {
	App    string
	Sender chime.Ref
	As     chime.Ref // stands for the sender from now on
	Delete bool      // the messages go, else they are redacted
}

// Erase redacts or deletes a message that the sender wrote, with the event for the members that see it, and
// ends its way through a flow. One that has not been sent goes in any case. It does nothing to a message
// that is gone or another's; done reports whether it did something. Forget follows the commit.
func (s *Service) Erase(tx store.Tx, e Erasing, at chime.ChannelEntry, id string) (done bool, err error) {
	v := visitAt(s.site, e.App, at)
	m, found, err := store.Messages.Get(tx, key(v, id))
	if err != nil || !found || m.Sender != e.Sender {
		return false, err
	}
	if err := store.Processings.Delete(tx, key(v, id)); err != nil {
		return false, err
	}

	// Members see the change of a message that they saw.
	kind, seen := chime.EventRedactMessage, sent(&m) && !m.Redacted
	if e.Delete {
		kind, seen = chime.EventDeleteMessage, sent(&m)
	}
	if seen {
		m.Updated = s.now().NotBefore(m.Updated)
	}

	// Nothing of it is the sender's any more, not even what a redaction leaves.
	strip(&m)
	m.Sender, m.ContentType = e.As, ""
	if m.Target == e.Sender {
		m.Target = e.As
	}
	if e.Delete || !sent(&m) {
		err = store.Messages.Delete(tx, key(v, id))
	} else {
		m.Redacted = true
		err = store.Messages.Put(tx, key(v, id), m)
	}
	if err == nil && seen {
		err = s.appendEvent(tx, kind, v, &m, &messaging.Identity{ARN: v.RefARN(e.As)})
	}
	if err != nil {
		return false, err
	}
	return true, store.MarkRemoved(tx, e.App, at.UID)
}

// Forget drops what is kept in memory of a history from which messages were erased.
func (s *Service) Forget(at chime.ChannelEntry) { s.newest.forget(history{at.UID, at.Sub}) }

// ForgetLive drops the messages of a sender that are not persistent and wait for a flow.
func (s *Service) ForgetLive(app string, sender chime.Ref) { s.passing.forget(app, sender) }

// forget drops the messages of a sender.
func (l *liveFlows) forget(app string, sender chime.Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, p := range l.messages {
		if k.app == app && p.Message.Sender == sender {
			delete(l.messages, k)
		}
	}
}

// JSON appends a message as GetChannelMessage shows it to its sender, with the times of sockets.
func (s *Service) JSON(b []byte, r store.Reader, app string, at chime.ChannelEntry, m *chime.Message) ([]byte, error) {
	v := visitAt(s.site, app, at)
	sender, err := v.Sender(r, m)
	if err != nil {
		return nil, err
	}
	return s.show(v, m, sender).AppendJSON(b, api.ISO), nil
}

// visitAt is a visit without a caller.
func visitAt(site chime.Site, app string, at chime.ChannelEntry) *channel.Visit {
	return channel.EventVisit(site, &chime.Event{Topic: chime.Topic{App: app, Channel: at.UID, Sub: at.Sub}, ChannelID: at.ChannelID})
}
