package message

import (
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// conclude gives a message its outcome, with the event for the members that may know of it, and ends its way
// through the flow. It does nothing more where the message is gone, or was redacted meanwhile.
func (s *Service) conclude(tx store.Tx, app string, p *chime.Processing, r result) error {
	if err := store.Processings.Delete(tx, processingKey(app, p.Channel, p.Message.ID)); err != nil {
		return err
	}
	v, found, err := s.unattended(tx, app, p.Channel)
	if err != nil || !found {
		return err
	}
	current, found, err := store.Messages.Get(tx, key(v, p.Message.ID))
	if err != nil || !found || current.Redacted {
		return err
	}
	if p.Edit {
		return s.concludeEdit(tx, v, p, &current, r)
	}
	return s.concludeNew(tx, v, p, r)
}

// unattended is a visit without a caller to the channel of an entry; found is false when that is gone.
func (s *Service) unattended(r store.Reader, app string, at chime.ChannelEntry) (v *channel.Visit, found bool, err error) {
	e := chime.Event{Topic: chime.Topic{App: app, Channel: at.UID, Sub: at.Sub}, ChannelID: at.ChannelID}
	found, err = isThere(r, &e)
	return channel.EventVisit(s.site, &e), found, err
}

// concludeNew is the outcome of a new message: it is there for all, for its sender alone, or not at all.
func (s *Service) concludeNew(tx store.Tx, v *channel.Visit, p *chime.Processing, r result) error {
	m := p.Message
	m.Status, m.Detail = r.status, r.detail
	if r.status == messaging.ChannelMessageStatusDenied {
		if err := store.Messages.Delete(tx, key(v, m.ID)); err != nil {
			return err
		}
		if err := s.appendOutcome(tx, v, creation.denied, &m); err != nil {
			return err
		}
		return store.MarkRemoved(tx, v.Actor.App, v.Channel.UID)
	}

	if err := store.Messages.Put(tx, key(v, m.ID), m); err != nil {
		return err
	}
	if sent(&m) {
		if err := markPassed(tx, v, &m); err != nil {
			return err
		}
	}
	return s.appendOutcome(tx, v, creation.of(r.status), &m)
}

// concludeEdit is the outcome of an edit: the new version takes the place of the old one, or is not kept.
func (s *Service) concludeEdit(tx store.Tx, v *channel.Visit, p *chime.Processing, current *chime.Message, r result) error {
	if current.Edited != p.Before {
		r = result{status: messaging.ChannelMessageStatusFailed, detail: detailOvertaken}
	}
	m := p.Message
	m.Status, m.Detail = r.status, r.detail
	if sent(&m) {
		if err := store.Messages.Put(tx, key(v, m.ID), m); err != nil {
			return err
		}
	}
	if err := s.appendOutcome(tx, v, revision.of(r.status), &m); err != nil || sent(&m) {
		return err
	}
	return store.MarkRemoved(tx, v.Actor.App, v.Channel.UID) // of the version that is not kept
}

// appendOutcome puts the event of an outcome at the end of the log.
func (s *Service) appendOutcome(tx store.Tx, v *channel.Visit, kind string, m *chime.Message) error {
	e, err := s.outcome(tx, v, kind, m)
	if err == nil {
		_, err = tx.Append(e)
	}
	return err
}

// outcome is the event of an outcome. Its time is that of the outcome, and the message has its own.
func (s *Service) outcome(r store.Reader, v *channel.Visit, kind string, m *chime.Message) (chime.Event, error) {
	sender, err := v.Sender(r, m)
	if err != nil {
		return chime.Event{}, err
	}
	e, err := s.event(r, kind, v, m, sender)
	e.Time, e.Actor = s.now().NotBefore(m.Updated), m.Sender
	return e, err
}

// senderOf shows the sender of a message that waits; found is false when its channel is gone.
func (s *Service) senderOf(r store.Reader, app string, p *chime.Processing) (sender *messaging.Identity, found bool, err error) {
	v, found, err := s.unattended(r, app, p.Channel)
	if err != nil || !found {
		return nil, false, err
	}
	sender, err = v.Sender(r, &p.Message)
	return sender, true, err
}

// markPassed moves the last message time of the members that see a message which was sent to its place in
// the history later than others, unless they see one behind it.
func markPassed(tx store.Tx, v *channel.Visit, m *chime.Message) error {
	position := chime.MessagePosition(m.ID)
	if m.Target != "" {
		return markPassedTargeted(tx, v, m, position)
	}
	activity, _, err := store.Activities.Get(tx, v.History())
	if err != nil || position <= activity.LastPosition() {
		return err
	}
	activity.LastMessage, activity.Unseen = m.Created.NotBefore(activity.LastMessage), activity.Position-position
	if err := store.Activities.Put(tx, v.History(), activity); err != nil {
		return err
	}
	return v.Touch(tx, m.Created)
}

// markPassedTargeted is markPassed for sender and target, as far as they are members still.
func markPassedTargeted(tx store.Tx, v *channel.Visit, m *chime.Message, position uint64) error {
	members, err := v.Among(tx, m, m.Sender, m.Target)
	if err != nil {
		return err
	}
	for _, ref := range members {
		member, found, err := v.MembershipOf(tx, ref)
		if err != nil {
			return err
		}
		if !found || member.TargetedPosition >= position {
			continue
		}
		member.LastTargeted, member.TargetedPosition = m.Created, position
		if err := v.SaveMembership(tx, member); err != nil {
			return err
		}
	}
	return nil
}
