package channel

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// A deleted channel is gone with one commit, but for its memberships, moderators and bans beyond
// the first few: there can be a million, and each is also on a list of its own holder.
// Those go in later commits, as a task. Until then the lists lead to a channel that is not there, and are
// read as if they did not.

const (
	taskDeleteChannel = "delete channel" // it is stored
	taskRef           = "channel/"       // names a channel where tasks name a user or bot
)

// remove deletes the channel. When more than one batch of records is left, Visit.rest is the task for
// the others.
func (s *Service) remove(tx store.Tx, v *Visit) error {
	// The record goes with all that one range removes, whatever its size.
	if err := store.Remove(tx, s.channelRows(v)...); err != nil {
		return err
	}
	tables := store.UnderChannel[:]
	if v.Channel.Elastic != nil { // to look for nothing costs a read of each level of the disk
		tables = slices.Concat(tables, store.UnderElasticChannel[:])
	}
	for _, table := range tables {
		if err := tx.DeleteRange(table, store.Prefix(v.Prefix())); err != nil {
			return err
		}
	}
	if err := store.MarkRemoved(tx, v.Actor.App, v.Channel.UID); err != nil {
		return err
	}
	if err := identity.DeleteTags(tx, v.resource()); err != nil {
		return err
	}

	// Records that are also on lists of their holders go in batches.
	more := false
	for _, strike := range strikes {
		next, err := strike(s, tx, v.Actor.App, v.Channel.UID, v.Prefix())
		if err != nil {
			return err
		}
		more = more || next != nil
	}
	if !more {
		return nil
	}

	task, err := s.jobs.Enqueue(tx, chime.Task{Kind: taskDeleteChannel, App: v.Actor.App, Ref: chime.Ref(taskRef + v.Channel.UID)})
	v.rest = &task
	return err
}

// removeRest is the work of a task: it does what remove left undone.
func (s *Service) removeRest(ctx context.Context, task chime.Task) error {
	app, uid := task.App, strings.TrimPrefix(string(task.Ref), taskRef)
	for _, strike := range strikes {
		for from := store.K(app, uid); from != nil; {
			var next store.Key
			err := s.turns.Update(ctx, app, func(tx store.Tx) (err error) {
				next, err = strike(s, tx, app, uid, from)
				return err
			})
			if err != nil {
				return err
			}
			from = next
		}
	}
	return nil
}

// strikes delete up to Options.Piece records of a channel from a key on, with their entries on the
// lists of their holders. Each returns the key to go on from, nil when nothing is left.
var strikes = [...]func(s *Service, tx store.Tx, app, uid string, from store.Key) (next store.Key, err error){
	(*Service).strikeMembers,
	func(s *Service, tx store.Tx, app, uid string, from store.Key) (store.Key, error) {
		return strike(tx, s.most(), app, uid, from, store.Moderators, func(m chime.Moderator) error {
			return store.ModeratedBy.Delete(tx, store.ChannelEntryKey(app, m.Ref, m.Order, uid))
		})
	},
	func(s *Service, tx store.Tx, app, uid string, from store.Key) (store.Key, error) {
		return strike(tx, s.most(), app, uid, from, store.Bans, func(b chime.Ban) error {
			return store.BansOf.Delete(tx, store.ChannelEntryKey(app, b.Ref, b.Order, uid))
		})
	},
}

// strikeMembers also appends which memberships ended: a user that comes back later gets what the
// channel sent while they lasted.
func (s *Service) strikeMembers(tx store.Tx, app, uid string, from store.Key) (store.Key, error) {
	left := make(map[string][]chime.Ref) // by sub-channel
	next, err := strike(tx, s.most(), app, uid, from, store.Memberships, func(m chime.Membership) error {
		left[m.Sub] = append(left[m.Sub], m.Ref)
		entry := store.ChannelEntryKey(app, m.Ref, m.Order, uid)
		listed, err := store.MembershipsOf.Has(tx, entry)
		if err != nil || !listed { // the user was deleted meanwhile, and counts no more
			return err
		}
		if err := store.MembershipsOf.Delete(tx, entry); err != nil {
			return err
		}
		return store.Remove(tx, s.memberships(app, m.Ref))
	})

	for _, sub := range slices.Sorted(maps.Keys(left)) {
		if err == nil {
			_, err = tx.Append(chime.Event{
				Time: s.now(), Type: chime.EventEndMemberships, Topic: chime.Topic{App: app, Channel: uid, Sub: sub}, Leave: left[sub],
			})
		}
	}
	return next, err
}

func strike[V any](tx store.Tx, most int, app, uid string, from store.Key, table store.Table[V], unlist func(V) error) (next store.Key, err error) {
	list := store.Prefix(store.K(app, uid))
	if bytes.Compare(from, list.From) > 0 {
		list.From = from
	}
	return table.Drain(tx, list, most, func(record V) (bool, error) { return true, unlist(record) })
}
