package message

import (
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/store"
)

// Versions are those of all that a list of a channel shows: its entries, and the names and the settings of
// the app instance. While they are the same, so is the list.
type Versions struct{ entries, users, bots, former, settings uint64 }

// VersionsOf reads the versions for a table of a channel; known is false when the engine does not know one.
func VersionsOf(r store.Reader, v *channel.Visit, table store.TableID) (now Versions, known bool) {
	app := store.K(v.Actor.App)
	now = Versions{
		entries:  store.Version(r, table, v.Prefix()),
		users:    store.Version(r, store.Users.ID, app),
		bots:     store.Version(r, store.Bots.ID, app),
		former:   store.Version(r, store.FormerNames.ID, app),
		settings: store.Version(r, store.AppInstances.ID, app), // with what retention hides
	}
	return now, now.entries != 0 && now.users != 0 && now.bots != 0 && now.former != 0 && now.settings != 0
}

// ShowAlike reports whether a record that is the same at both versions is shown in the same way: nothing but
// entries has changed.
func (v Versions) ShowAlike(other Versions) bool {
	v.entries = other.entries
	return v == other
}
