package channel

import (
	"context"
	"errors"

	"github.com/carillon-chat/carillon/internal/channel/managers"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// RemoveUser ends every membership, moderator role and ban that a deleted user or bot got before a
// position of the log, and notifies the remaining members. It may be called again after a crash.
func (s *Service) RemoveUser(ctx context.Context, app string, ref chime.Ref, before uint64) error {
	list := store.Range{From: store.K(app, string(ref)), To: store.K(app, string(ref)).Num(before)}
	for _, of := range []struct {
		entries store.Table[chime.ChannelEntry]
		remove  func(store.Tx, *Visit) error
	}{
		{store.MembershipsOf, s.removeFrom}, // while it is known of elastic channels whether it moderates them
		{store.ModeratedBy, s.demote},
		{store.BansOf, s.forgive},
	} {
		for from := list.From; from != nil; {
			next, err := s.removeSome(ctx, app, ref, of.entries, store.Range{From: from, To: list.To}, of.remove)
			if err != nil {
				return err
			}
			from = next
		}
	}
	return nil
}

// removeSome is one transaction of RemoveUser on one of the lists, with what has to come before and what
// follows from it. It returns the key to go on from, nil when nothing is left.
func (s *Service) removeSome(ctx context.Context, app string, ref chime.Ref, entries store.Table[chime.ChannelEntry], list store.Range, remove func(store.Tx, *Visit) error) (next store.Key, err error) {
	var v *Visit // the latest
	var found *managers.Found
	var rest []chime.Task
	drain := func(tx store.Tx) (err error) {
		rest = nil
		next, err = entries.Drain(tx, list, s.most(), func(at chime.ChannelEntry) (more bool, err error) {
			v = s.visitOf(app, ref, at)
			v.managers = found
			err = remove(tx, v)
			if v.rest != nil {
				rest = append(rest, *v.rest)
			}
			// The end of a hidden membership is for all that manage the channel, which may be thousands.
			return v.Membership == nil || !isHidden(v.Membership.Type), err
		})
		return err
	}

	for again := true; again && err == nil; {
		again = true
		switch err = s.turns.Update(ctx, app, drain); {
		case errors.Is(err, managers.ErrMany):
			found, err = managers.Find(ctx, s.store, app, v.Channel.UID)
		case errors.Is(err, errAdopt):
			err = s.adoptWhole(ctx, app, v.entry())
		default:
			again = false
		}
	}

	for i := 0; i < len(rest) && err == nil; i++ {
		err = s.jobs.Do(ctx, rest[i])
	}
	return next, err
}

func (s *Service) removeFrom(tx store.Tx, v *Visit) error {
	ref := v.Actor.Ref
	m, found, err := store.Memberships.Get(tx, v.memberKey(ref, v.Sub))
	if err != nil {
		return err
	}
	if found {
		v.Channel, found, err = channelAt(tx, v.Actor.App, v.entry())
	}
	if err != nil {
		return err
	}
	if !found { // of a channel whose removal is not done, which counts what is still listed
		return store.Remove(tx, s.memberships(v.Actor.App, ref))
	}
	if v.Channel.Elastic != nil && !v.Channel.Elastic.Adopted {
		return errAdopt
	}
	v.Membership = &m
	return s.removeMembers(tx, v, ref, []chime.Membership{m}, s.now())
}

func (s *Service) demote(tx store.Tx, v *Visit) error {
	m, found, err := store.Moderators.Get(tx, v.key(v.Actor.Ref))
	if err != nil || !found {
		return err
	}
	if v.Channel, found, err = channelAt(tx, v.Actor.App, v.entry()); err != nil || !found {
		return err
	}
	return s.removeModerator(tx, v, m, s.now())
}

func (s *Service) forgive(tx store.Tx, v *Visit) error {
	b, found, err := store.Bans.Get(tx, v.key(v.Actor.Ref))
	if err != nil || !found {
		return err
	}
	return v.removeBan(tx, b, s.now())
}

// visitOf is the visit to an entry of a user's list, without what only the channel's record knows.
func (s *Service) visitOf(app string, ref chime.Ref, at chime.ChannelEntry) *Visit {
	return &Visit{
		Actor: identity.Actor{App: app, Holder: chime.Holder{Ref: ref}}, Sub: at.Sub,
		Channel: chime.Channel{ID: at.ChannelID, UID: at.UID}, site: s.site,
	}
}
