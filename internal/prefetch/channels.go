package prefetch

import (
	"cmp"
	"context"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// SortByLatest is the prefetch-sort-by for the channels with the latest messages. Every other
// value, also the client's "unread", begins with those in which something is unread.
const SortByLatest = "last-message-timestamp"

// Channels are the channels of a user to begin with, at most 50, the first to send first; of an
// elastic channel the sub-channels that the user is in. The order is that of the latest message
// that the user sees, after what is unread unless sort is SortByLatest; equals go by the newest
// membership.
func (s *Service) Channels(ctx context.Context, app string, user chime.Ref, sort string) ([]chime.ChannelEntry, error) {
	best := ranking{byLatest: sort == SortByLatest}
	err := s.store.View(ctx, app, func(r store.Reader) error {
		list := store.Prefix(store.K(app, string(user)))
		list.Reverse = true
		return store.MembershipsOf.Each(r, list, func(_ store.Key, at chime.ChannelEntry) (bool, error) {
			latest, unread, found, err := s.channels.MembershipAt(r, app, user, at)
			if err != nil || !found {
				return err == nil, err
			}

			c := candidate{at: at, latest: latest, unread: unread}
			i, ok := best.rank(c)
			if !ok {
				return true, ctx.Err()
			}
			// A deleted channel is on the list until its memberships are removed. It is looked
			// up last, since most channels of a long list are not among the best.
			v, err := s.channels.VisitAt(r, app, user, at)
			if v != nil {
				best.insert(i, c)
			}
			return err == nil, err
		})
	})
	if err != nil {
		return nil, err
	}

	entries := make([]chime.ChannelEntry, len(best.first))
	for i, c := range best.first {
		entries[i] = c.at
	}
	return entries, nil
}

// candidate is a channel with what ranks it.
type candidate struct {
	at     chime.ChannelEntry
	latest chime.Millis // message that the user sees
	unread bool         // there is one after the read marker
}

// ranking keeps the best candidates, the first first.
type ranking struct {
	byLatest bool
	first    []candidate
}

// rank finds the index of a candidate, behind its equals; ok is false when it is not among the
// best.
func (r *ranking) rank(c candidate) (i int, ok bool) {
	i, _ = slices.BinarySearchFunc(r.first, c, func(kept, c candidate) int {
		if r.compare(kept, c) <= 0 {
			return -1
		}
		return 1
	})
	return i, i < maxChannels
}

func (r *ranking) insert(i int, c candidate) {
	r.first = slices.Insert(r.first, i, c)
	r.first = r.first[:min(len(r.first), maxChannels)]
}

// compare is negative when a comes before b.
func (r *ranking) compare(a, b candidate) int {
	if a.unread != b.unread && !r.byLatest {
		if a.unread {
			return -1
		}
		return 1
	}
	return cmp.Compare(b.latest, a.latest)
}
