package identity

import (
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/store"
)

// counter is the number of resources of one kind, kept so that a limit costs one read however
// many there are.
type counter struct {
	app  string // empty for app instances themselves
	what string // part of the stored key
}

const (
	countApps   = "app instances"
	countUsers  = "users"
	countAdmins = "admins"
)

// add counts one more, or refuses when there are as many as the limit already.
func (c counter) add(tx store.Tx, limit int) error {
	n, _, err := store.Counts.Get(tx, store.K(c.app, c.what))
	if err != nil {
		return err
	}
	if limit > 0 && n >= uint64(limit) {
		return api.ResourceLimitExceeded("the limit of %d %s is reached", limit, c.what)
	}
	return store.Counts.Put(tx, store.K(c.app, c.what), n+1)
}

// remove counts one less.
func (c counter) remove(tx store.Tx) error {
	_, err := store.AddCount(tx, store.K(c.app, c.what), -1)
	return err
}
