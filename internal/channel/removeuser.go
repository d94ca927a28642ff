package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// removeBatch is how many memberships one transaction ends: enough to be quick, few enough not to
// hold up other transactions.
const removeBatch = 100

// RemoveUser ends every membership, moderator role and ban that a deleted user or bot got before a
// position of the log, and notifies the remaining members. It may be called again after a crash.
func (s *Service) RemoveUser(ctx context.Context, app string, ref chime.Ref, before uint64) error {
	for more := true; more; {
		err := s.store.Update(ctx, app, func(tx store.Tx) (err error) {
			more, err = s.removeSome(tx, app, ref, before)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) removeSome(tx store.Tx, app string, ref chime.Ref, before uint64) (more bool, err error) {
	list := store.Range{From: store.K(app, string(ref)), To: store.K(app, string(ref)).Num(before)}
	for _, of := range []struct {
		entries store.Table[chime.ChannelEntry]
		remove  func(store.Tx, string, chime.Ref, chime.ChannelEntry) error
	}{
		{store.MembershipsOf, s.removeFrom}, {store.ModeratedBy, s.demote}, {store.BansOf, s.forgive},
	} {
		next, err := drain(tx, of.entries, list, removeBatch, func(at chime.ChannelEntry) error { return of.remove(tx, app, ref, at) })
		if err != nil {
			return false, err
		}
		more = more || next != nil
	}
	return more, nil
}

func (s *Service) removeFrom(tx store.Tx, app string, ref chime.Ref, at chime.ChannelEntry) error {
	v, err := s.VisitAt(tx, app, ref, at)
	if err != nil {
		return err
	}
	if v == nil { // of a channel whose removal is not done, which counts what is still listed
		return store.Remove(tx, s.memberships(app, ref))
	}
	return s.removeMembers(tx, v, ref, []chime.Membership{*v.Membership}, s.now())
}

func (s *Service) demote(tx store.Tx, app string, ref chime.Ref, at chime.ChannelEntry) error {
	v, now := s.visitOf(app, ref, at), s.now()
	m, found, err := store.Moderators.Get(tx, v.key(ref))
	if err != nil || !found {
		return err
	}
	if v.Channel, found, err = channelAt(tx, app, at); err != nil || !found {
		return err
	}
	if err := s.removeFromElastic(tx, v, ref, now); err != nil { // before the role is forgotten
		return err
	}
	return s.removeModerator(tx, v, m, now)
}

func (s *Service) forgive(tx store.Tx, app string, ref chime.Ref, at chime.ChannelEntry) error {
	v := s.visitOf(app, ref, at)
	b, found, err := store.Bans.Get(tx, v.key(ref))
	if err != nil || !found {
		return err
	}
	return v.removeBan(tx, b, s.now())
}

// placeOf is the visit to an entry of a user's list, without what only the channel's record knows.
func (s *Service) visitOf(app string, ref chime.Ref, at chime.ChannelEntry) *Visit {
	return &Visit{
		Actor: identity.Actor{App: app, Holder: chime.Holder{Ref: ref}}, Sub: at.Sub,
		Channel: chime.Channel{ID: at.ChannelID, UID: at.UID}, site: s.site,
	}
}
