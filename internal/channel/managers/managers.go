// Package managers finds the members of a channel that manage it: its moderators and the admins of the
// app instance. There may be ten thousand. Where they are many they are found in a View before the
// transaction that needs them, which then looks again at those alone that the log has named since.
package managers

import (
	"context"
	"errors"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	manyModerators = 500 // that a transaction does not look for itself
	eventsSince    = 500 // that a transaction looks through at most
)

// ErrMany ends a transaction in which there are too many to look for. It is run again with what Find found.
var ErrMany = errors.New("channel: the managers are to be found first")

// Found are the members that managed a channel at a position of the log.
type Found struct {
	uid  string
	at   uint64
	refs []chime.Ref
}

// Find finds those of the channel with the UID.
func Find(ctx context.Context, st store.Store, app, uid string) (*Found, error) {
	f := &Found{uid: uid}
	err := st.View(ctx, app, func(r store.Reader) (err error) {
		if f.at, err = r.Position(); err != nil {
			return err
		}
		f.refs, err = read(r, app, uid)
		return err
	})
	return f, err
}

// Members are those of the channel with the UID. found may be nil, or of another channel; then many of them
// are ErrMany.
func Members(r store.Reader, app, uid string, found *Found) ([]chime.Ref, error) {
	if found == nil || found.uid != uid {
		moderators, _, err := store.Counts.Get(r, Count(app, uid))
		if err == nil && moderators > manyModerators {
			err = ErrMany
		}
		if err != nil {
			return nil, err
		}
		return read(r, app, uid)
	}

	// Those that may have become managers or members since, or ended to be.
	changed, err := found.namedSince(r, app)
	if err != nil {
		return nil, err
	}
	refs := slices.DeleteFunc(slices.Clone(found.refs), func(ref chime.Ref) bool { return changed[ref] })
	for ref := range changed {
		manages, err := Manages(r, app, uid, ref)
		if err != nil {
			return nil, err
		}
		member, err := store.Memberships.Has(r, store.K(app, uid, string(ref)))
		if err != nil {
			return nil, err
		}
		if manages && member {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// Manages reports whether a user or bot is a moderator of the channel or an admin.
func Manages(r store.Reader, app, uid string, ref chime.Ref) (bool, error) {
	if moderates, err := store.Moderators.Has(r, store.K(app, uid, string(ref))); err != nil || moderates {
		return moderates, err
	}
	return store.Admins.Has(r, store.K(app, string(ref)))
}

// Count is the key of the number of moderators of the channel.
func Count(app, uid string) store.Key { return store.K(app, uid, "moderators") }

// namedSince are the users and bots that events of the channel, and of the app instance itself, have named
// since they were found.
func (f *Found) namedSince(r store.Reader, app string) (map[chime.Ref]bool, error) {
	named := make(map[chime.Ref]bool)
	now, err := r.Position()
	if err != nil || now == f.at {
		return named, err
	}
	if now-f.at > eventsSince {
		return nil, ErrMany
	}

	events, err := store.ReadEvents(r, app, f.at, eventsSince)
	if errors.Is(err, store.ErrTrimmed) {
		err = ErrMany
	}
	for _, e := range events {
		if e.Channel != "" && e.Channel != f.uid {
			continue
		}
		for _, ref := range slices.Concat(e.Join, e.Leave, []chime.Ref{e.Subject}) {
			named[ref] = ref != ""
		}
	}
	return named, err
}

// read reads all moderators and admins, and whether they are members.
func read(r store.Reader, app, uid string) ([]chime.Ref, error) {
	var candidates, members []chime.Ref
	err := store.Moderators.Each(r, store.Prefix(store.K(app, uid)), func(_ store.Key, m chime.Moderator) (bool, error) {
		candidates = append(candidates, m.Ref)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	err = store.Admins.Each(r, store.Prefix(store.K(app)), func(_ store.Key, a chime.Admin) (bool, error) {
		candidates = append(candidates, a.Ref)
		return true, nil
	})

	for i := 0; i < len(candidates) && err == nil; i++ {
		var member bool
		if member, err = store.Memberships.Has(r, store.K(app, uid, string(candidates[i]))); member {
			members = append(members, candidates[i])
		}
	}
	return members, err
}
