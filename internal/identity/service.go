// Package identity keeps app instances with their retention settings, their users, bots and
// admins, the devices of users, and the tags of every resource.
//
// It promises:
//
//   - Each change is one transaction with its event in the log; lists are in the order of those
//     events and page exactly.
//   - A deletion takes effect with its first commit: the ARN is refused from then on and an
//     removal of what belonged to it is a task (follow/jobs), which a repeated call does at once.
//   - Tokens of devices are secrets: they are in the record of the endpoint and in the answer that
//     describes it, and in no event, key or message.
//   - The id of a deleted user is free at once, and the next holder inherits nothing: what names the
//     id means the holder of that moment of the log, and old messages show the former holder's name.
//
// Channel and message services look up the calling user or bot, and the names of users, with the
// functions over a store.Reader in actor.go, inside their own transactions.
package identity

import (
	"context"
	"crypto/rand"
	"io"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options are what a Service works with.
type Options struct {
	Store  store.Store
	Site   chime.Site
	Limits Limits
	// Users removes what other services keep about a deleted user or bot.
	Users UserCascade
	// Jobs does what deletions leave for later.
	Jobs *jobs.Queue
	// Tokens remembers client request tokens.
	Tokens idempotency.Tokens
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Random makes ids and is safe for concurrent use; nil means crypto/rand.
	Random io.Reader
}

// UserCascade removes what belongs to a user or bot outside of this package.
type UserCascade interface {
	// RemoveUser removes the memberships, moderator roles and whatever else a deleted user or
	// bot took before the position of the log, and appends the events of that, in
	// transactions of bounded size. It may be called again for work that is done, or for an
	// app instance that is gone by now, and then writes nothing.
	RemoveUser(ctx context.Context, app string, ref chime.Ref, before uint64) error
}

// Limits are the most resources of a kind (spec 11.1). Zero means no limit.
type Limits struct {
	AppInstances int // of the service
	Users        int // of one app instance
	Admins       int // of one app instance
	Endpoints    int // of one user
}

// Service answers the operations of the identity API. It is safe for concurrent use.
type Service struct {
	store  store.Store
	site   chime.Site
	limits Limits
	users  UserCascade
	jobs   *jobs.Queue
	tokens idempotency.Tokens
	clock  func() time.Time
	random io.Reader
}

var _ wire.Handler = (*Service)(nil)

// New makes a Service, and registers the work of its tasks with Options.Jobs.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	s := &Service{
		store: o.Store, site: o.Site, limits: o.Limits, users: o.Users, jobs: o.Jobs,
		tokens: o.Tokens, clock: o.Now, random: o.Random,
	}
	o.Jobs.Register(taskDeleteAppInstance, s.removeAppInstance)
	o.Jobs.Register(taskDeleteUser, s.removeUser)
	return s
}

func (s *Service) now() chime.Millis { return chime.At(s.clock()) }

// appEvent is an event of the log alone about an app instance itself.
func appEvent(kind, app string, now chime.Millis) chime.Event {
	return chime.Event{Type: kind, Time: now, Topic: chime.Topic{App: app}, Object: app}
}

// eventOf is an event of the log alone about a user or bot. Calls about them have no bearer, so it has
// no Actor.
func eventOf(kind, app string, ref chime.Ref, now chime.Millis) chime.Event {
	return chime.Event{Type: kind, Time: now, Topic: chime.Topic{App: app}, Subject: ref, Object: string(ref)}
}

// RequireApp refuses with ForbiddenException, naming the member, when the app instance does not exist or
// is deleted.
func RequireApp(r store.Reader, member, app string) error {
	found, err := store.AppInstances.Has(r, store.K(app))
	if err == nil && !found {
		return noApp(member)
	}
	return err
}

func noApp(member string) error {
	return api.Forbidden("%s: the app instance does not exist", member)
}

// list reads one page of an index, and what each of its entries stands for.
func list[V, T any](r store.Reader, index store.Table[V], rng store.Range, p store.Page, read func(V) (T, error)) (items []T, next string, err error) {
	entries, next, err := store.List(r, index, rng, p, func(v V) (V, bool, error) { return v, true, nil })
	if err != nil {
		return nil, "", err
	}
	items = make([]T, len(entries))
	for i, entry := range entries {
		if items[i], err = read(entry); err != nil {
			return nil, "", err
		}
	}
	return items, next, nil
}
