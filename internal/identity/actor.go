package identity

import (
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Actor is the user or bot on whose behalf a call is made.
type Actor struct {
	App   string
	Ref   chime.Ref
	Name  string // current name
	Admin bool   // holds the role of app instance admin
}

// ResolveBearer finds who the member ChimeBearer names. An ARN that is malformed, of another
// account, or of nobody who exists is refused with ForbiddenException, in the same words, so
// that it tells nothing (spec 2.3). The caller compares Actor.App with what the call is about.
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
	res, err := site.ParseIdentity("ChimeBearer", arn)
	if err != nil {
		return Actor{}, invalidBearer()
	}
	actor := Actor{App: res.App, Ref: res.Ref()}
	// A deleted app instance keeps its users until they are removed in the background.
	found, err := store.AppInstances.Has(r, store.K(actor.App))
	if err == nil && found {
		actor.Name, found, err = profile(r, actor.App, actor.Ref)
	}
	if err != nil {
		return Actor{}, err
	}
	if !found {
		return Actor{}, invalidBearer()
	}
	return actor, nil
}

func invalidBearer() error {
	return api.Forbidden("ChimeBearer is an invalid app instance user ARN")
}

// Exists reports whether the user or bot exists in an app instance of which the caller knows
// that it exists, for example from ResolveBearer.
func Exists(r store.Reader, app string, ref chime.Ref) (bool, error) {
	_, found, err := profile(r, app, ref)
	return found, err
}

// Name is the current name of a user or bot, or the last one it had before it was deleted, or
// empty when there never was one.
func Name(r store.Reader, app string, ref chime.Ref) (string, error) {
	name, found, err := profile(r, app, ref)
	if err != nil || found {
		return name, err
	}
	name, _, err = store.FormerNames.Get(r, store.K(app, string(ref)))
	return name, err
}

// IsAdmin reports whether the user or bot is an admin of the app instance.
func IsAdmin(r store.Reader, app string, ref chime.Ref) (bool, error) {
	return store.Admins.Has(r, store.K(app, string(ref)))
}

// Names are asked for much more often than the rest of the records.
var (
	userNames = store.Table[chime.Named]{ID: store.Users.ID, Name: store.Users.Name}
	botNames  = store.Table[chime.Named]{ID: store.Bots.ID, Name: store.Bots.Name}
)

// profile is the one place that knows where each kind of identity is kept.
func profile(r store.Reader, app string, ref chime.Ref) (name string, found bool, err error) {
	table := userNames
	if !ref.IsUser() {
		table = botNames
	}
	named, found, err := table.Get(r, store.K(app, ref.ID()))
	return named.Name, found, err
}
