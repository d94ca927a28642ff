// Package iam is IAM's own API, as far as authorisation needs it: users with
// access keys, roles, inline and managed policies, OIDC providers, and the simulation of decisions.
// It promises:
//
//   - Each change is one transaction with an event in the log; Changed is called before the answer,
//     so the very next call is decided by the new state.
//   - A document that is not understood entirely is never stored.
//   - Nothing is deleted silently: what has keys or policies, or is attached, is refused.
//   - Ids are never used again, and what outlives a user or role is bound to its id: trust policies, sessions.
//     A later holder of the name does not get it.
//     The next one of the name is another.
//   - The secret of an access key is shown once and kept sealed; no call gives it back.
//
// Names are compared without regard to case and shown as they were given, but for names of inline
// policies, where case counts. Lists are in the order of their names and page exactly.
//
// The gate authorises iam:<operation> on the ARN of what the request names or makes: user/, role/,
// policy/ or oidc-provider/; on * for lists of all and SimulateCustomPolicy.
package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/keyring"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options are what a Service works with. Store, Site and Keyring are required.
type Options struct {
	Store   store.Store
	Site    chime.Site
	Keyring *keyring.Keyring
	Limits  Limits
	// Caller returns the caller of ctx; nil means one that the account does not know.
	Caller func(context.Context) Caller
	// Changed, if set, is called after every change, before the call is answered.
	Changed func()
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Random makes ids and secrets and is safe for concurrent use; nil means crypto/rand.
	Random io.Reader
}

// Caller is the caller of an operation that may leave the user out.
type Caller struct {
	User string // name of an IAM user; empty for every other principal
	Root bool   // the account itself
}

// Limits are the most entities of a kind. Zero means no limit.
type Limits struct {
	Users     int
	Roles     int
	Policies  int // of the account's own
	Providers int
}

// DefaultLimits are ten times what AWS grants at first.
func DefaultLimits() Limits {
	return Limits{Users: 50_000, Roles: 10_000, Policies: 15_000, Providers: 1000}
}

// Service answers the operations of IAM. It is safe for concurrent use.
type Service struct {
	store   store.Store
	site    chime.Site
	keyring *keyring.Keyring
	limits  Limits
	caller  func(context.Context) Caller
	changed func()
	clock   func() time.Time
	random  io.Reader
}

var _ iamapi.Handler = (*Service)(nil)

// New makes a Service.
func New(o Options) *Service {
	if o.Caller == nil {
		o.Caller = func(context.Context) Caller { return Caller{} }
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Service{
		store: o.Store, site: o.Site, keyring: o.Keyring, limits: o.Limits,
		caller: o.Caller, changed: o.Changed, clock: o.Now, random: o.Random,
	}
}

func (s *Service) now() chime.Millis { return chime.At(s.clock()) }

// change runs f as one transaction with its event. Changed is called also when it is not known
// whether the transaction was committed.
func (s *Service) change(ctx context.Context, f func(store.Tx) error) error {
	err := s.store.Update(ctx, "", func(tx store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		_, err := tx.Append(chime.Event{Time: s.now(), Type: chime.EventUpdateAccount})
		return err
	})
	if _, refused := errors.AsType[*api.Error](err); !refused {
		s.changed()
	}
	return err
}

// Prefixes of ids and access key ids.
const (
	prefixUser      = "AIDA"
	prefixRole      = "AROA"
	prefixPolicy    = "ANPA"
	prefixAccessKey = "AKIA"
)

const (
	idLen          = 17 // characters after the prefix
	accessKeyIDLen = 16
)

// newID makes an id of n random capital letters and digits after its prefix.
func (s *Service) newID(prefix string, n int) (string, error) {
	raw := make([]byte, (n*5+7)/8)
	if _, err := io.ReadFull(s.random, raw); err != nil {
		return "", fmt.Errorf("id: %w", err)
	}
	return prefix + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)[:n], nil
}

// nameKey is the key of a user, role or policy.
func nameKey(name string) store.Key { return store.K(strings.ToLower(name)) }

// What the account counts: numbers under the empty app instance.
const (
	countUsers     = "account users"
	countRoles     = "account roles"
	countPolicies  = "account policies"
	countProviders = "account providers"
)

// count changes how many there are of a kind, and refuses more than the limit.
func count(tx store.Tx, what string, delta, limit int) error {
	n, err := store.AddCount(tx, store.K("", what), delta)
	if err == nil && delta > 0 && limit > 0 && n > uint64(limit) {
		return quota(what, limit)
	}
	return err
}

func quota(what string, limit int) error {
	return iamapi.LimitExceededException.Errorf("Cannot exceed quota for %s: %d", what, limit)
}

// notFound and exists have AWS's wording: tools show it, and it is searched for.
func notFound(kind, name string) error {
	return iamapi.NoSuchEntityException.Errorf("The %s with name %s cannot be found.", kind, name)
}

func exists(kind, name string) error {
	return iamapi.EntityAlreadyExistsException.Errorf("%s with name %s already exists.", kind, name)
}

// valueOr returns the value of an optional member, or absent.
func valueOr[T any](value *T, absent T) T {
	if value == nil {
		return absent
	}
	return *value
}
