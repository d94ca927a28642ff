package identity

import (
	"cmp"
	"math"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Actor is the user or bot on whose behalf a call is made.
type Actor struct {
	App string
	chime.Holder
	Name  string // current name
	Admin bool   // holds the role of app instance admin
}

// ResolveBearer finds the user or bot that the member ChimeBearer names. An ARN that is malformed,
// of another account, or of none that exists is refused with UnauthorizedClientException, in the
// same words, so that the answer reveals nothing. The caller compares Actor.App with what the call
// is about.
func ResolveBearer(r store.Reader, site chime.Site, arn string) (Actor, error) {
	actor, err := Recognize(r, site, arn)
	if err != nil {
		return Actor{}, err
	}
	actor.Admin, err = IsAdmin(r, actor.App, actor.Ref)
	return actor, err
}

// Recognize is ResolveBearer for a call to which it means nothing whether an admin makes it:
// Admin is left false.
func Recognize(r store.Reader, site chime.Site, arn string) (Actor, error) {
	b, err := ParseBearer(site, arn)
	if err != nil {
		return Actor{}, err
	}
	lookups := b.Lookups(nil)
	if err := r.GetMany(lookups); err != nil {
		return Actor{}, err
	}
	return b.Actor(lookups)
}

// Bearer is the user or bot that ChimeBearer names, whether or not it exists.
type Bearer chime.Resource

// ParseBearer reads the member ChimeBearer. Its error is the one for a bearer that does not exist.
func ParseBearer(site chime.Site, arn string) (Bearer, error) {
	res, err := site.ParseIdentity("ChimeBearer", arn)
	if err != nil {
		return Bearer{}, invalidBearer()
	}
	return Bearer(res), nil
}

// BearerLookups is how many lookups a Bearer appends.
const BearerLookups = 2

// Lookups appends what has to be read to find the bearer, so that a caller can read more along with it.
func (b Bearer) Lookups(to []store.Lookup) []store.Lookup {
	return append(to, store.AppInstances.Lookup(store.K(b.App)), profileLookup(b.App, chime.Resource(b).Ref()))
}

// Actor is what Recognize returns, from the lookups after Reader.GetMany.
func (b Bearer) Actor(lookups []store.Lookup) (Actor, error) {
	// A deleted app instance keeps its users until they are removed in the background.
	if lookups[0].Value == nil {
		return Actor{}, invalidBearer()
	}
	holder, name, found, err := profileOf(chime.Resource(b).Ref(), lookups[1])
	if err != nil || !found {
		return Actor{}, cmp.Or(err, invalidBearer())
	}
	return Actor{App: b.App, Holder: holder, Name: name}, nil
}

func invalidBearer() error {
	return api.Unauthorized("ChimeBearer is an invalid app instance user ARN")
}

// Exists reports whether the user or bot exists in an app instance that the caller knows
// to exist, for example from ResolveBearer.
func Exists(r store.Reader, app string, ref chime.Ref) (bool, error) {
	_, _, found, err := profile(r, app, ref)
	return found, err
}

// Present is the holder of the id of a user or bot now; the zero Holder when there is none.
func Present(r store.Reader, app string, ref chime.Ref) (chime.Holder, error) {
	holder, _, _, err := profile(r, app, ref)
	return holder, err
}

// Named is the name of one holder of an id, and the positions of the log at which the id meant that
// holder, the first and the last.
type Named struct {
	Name        string
	First, Last uint64
}

// Now stands for the present where a position of the log is expected.
const Now uint64 = math.MaxUint64

// Name is the name of the user or bot that held the id at a position of the log: the current one, or
// the last one that a deleted holder had. It is empty when there never was one.
func Name(r store.Reader, app string, ref chime.Ref, at uint64) (Named, error) {
	holder, name, found, err := profile(r, app, ref)
	if err != nil {
		return Named{}, err
	}

	named, last := Named{Name: name, First: holder.Since, Last: Now}, Now
	if found {
		if at >= holder.Since {
			return named, nil
		}
		last = holder.Since - 1
	}

	// Of the former holders, the latest one that began before the position.
	former := store.Prefix(store.K(app, string(ref)))
	former.Reverse = true
	err = store.FormerNames.Each(r, former, func(key store.Key, name string) (bool, error) {
		columns, err := key.Columns()
		if err != nil {
			return false, err
		}
		since, _ := columns[len(columns)-1].(uint64) // zero in those of before it was kept
		named = Named{Name: name, First: since, Last: last}
		last = max(since, 1) - 1
		return at < since, nil
	})
	return named, err
}

// IsAdmin reports whether the user or bot is an admin of the app instance.
func IsAdmin(r store.Reader, app string, ref chime.Ref) (bool, error) {
	return store.Admins.Has(r, store.K(app, string(ref)))
}

// Profiles are read much more often than the rest of the records.
var (
	userProfiles = store.Table[chime.UserProfile]{ID: store.Users.ID, Name: store.Users.Name}
	botProfiles  = store.Table[chime.BotProfile]{ID: store.Bots.ID, Name: store.Bots.Name}
)

// profile finds a user or bot.
func profile(r store.Reader, app string, ref chime.Ref) (holder chime.Holder, name string, found bool, err error) {
	l := profileLookup(app, ref)
	if l.Value, err = r.Get(l.Table, l.Key); err != nil {
		return holder, "", false, err
	}
	return profileOf(ref, l)
}

// profileLookup and profileOf are the functions that know where each kind of identity is kept.
func profileLookup(app string, ref chime.Ref) store.Lookup {
	if ref.IsUser() {
		return userProfiles.Lookup(store.K(app, ref.ID()))
	}
	return botProfiles.Lookup(store.K(app, ref.ID()))
}

func profileOf(ref chime.Ref, l store.Lookup) (holder chime.Holder, name string, found bool, err error) {
	if ref.IsUser() {
		user, found, err := userProfiles.Found(l)
		if err != nil || !found {
			return holder, "", false, err
		}
		return chime.Holder{Ref: ref, Since: user.Order, Created: user.Created}, user.Name, true, nil
	}
	bot, found, err := botProfiles.Found(l)
	if err != nil || !found {
		return holder, "", false, err
	}
	return chime.Holder{Ref: ref, Since: bot.Order, Created: bot.Created}, bot.Name, true, nil
}
