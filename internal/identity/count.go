package identity

import "github.com/carillon-chat/carillon/internal/store"

// What is counted. It is part of stored keys, and of refusals.
const (
	countApps   = "app instances"
	countUsers  = "users"
	countAdmins = "admins"
)

// counter counts what an app instance has; app is empty for app instances themselves.
func counter(app, what string, limit int) store.Counter {
	return store.Counter{Key: store.K(app, what), Limit: limit, What: what}
}
