package subscription

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	signing "github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	// MaxPending is how many deliveries of a subscription wait before its follower does. Those of the events
	// that are queued at once may exceed it.
	MaxPending = 1000
	// MaxWebhooks is how many subscriptions an app instance has at most.
	MaxWebhooks = 100

	// DefaultRetry and DefaultKeep are what Options have unless they say otherwise.
	DefaultRetry = 72 * time.Hour
	DefaultKeep  = 7 * 24 * time.Hour

	firstWait   = 5 * time.Second
	longestWait = 30 * time.Minute
)

// Followers run the followers of the subscriptions. follow.Runner is one.
type Followers interface {
	Refresh(ctx context.Context, app string) error
	Rewind(ctx context.Context, app, follower string, from follow.From, also func(tx store.Tx, position uint64) error) (position uint64, err error)
}

// Sealer encrypts what is kept at rest. keyring.Keyring is one.
type Sealer interface {
	Seal(plain, context []byte) ([]byte, error)
	Unseal(sealed, context []byte) ([]byte, error)
}

// Client makes guarded calls. outbound.Client is one.
type Client interface {
	signing.Client
	// Check refuses a URL that may not be called.
	Check(u *url.URL) error
}

// Options of a Service. All but Retry and Keep are required.
type Options struct {
	Store  store.Store
	Site   chime.Site
	Clock  *store.Clock // of waits and ages
	Now    func() time.Time
	Random io.Reader // safe for concurrent use
	Log    *slog.Logger
	Client Client
	Sealer Sealer
	Body   store.Body
	// Retry is how long a delivery is tried, and Keep how long one is kept that is done or failed. Zero means
	// DefaultRetry and DefaultKeep.
	Retry, Keep time.Duration
}

// Service answers the operations on webhooks, and delivers. It is safe for concurrent use.
type Service struct {
	o       Options
	backoff follow.Backoff
	runner  Followers

	delivered, failed, attempts atomic.Uint64 // see Counts

	mu      sync.Mutex
	posters map[webhook]*poster // that run on this node
}

// webhook names a subscription.
type webhook struct{ app, id string }

func (w webhook) key() store.Key { return store.K(w.app, w.id) }

// pending is where the number of pending deliveries is kept.
func (w webhook) pending() store.Key { return store.K(w.app, "pending webhook deliveries", w.id) }

// follower is the name of the subscription's follower.
func (w webhook) follower() string { return "webhook-" + w.id }

// following is the key of that follower's position.
func (w webhook) following() store.Key { return store.K(w.app, w.follower()) }

// New makes a Service. Bind completes it.
func New(o Options) *Service {
	o.Retry, o.Keep = cmp.Or(o.Retry, DefaultRetry), cmp.Or(o.Keep, DefaultKeep)
	return &Service{
		o: o, posters: map[webhook]*poster{},
		backoff: follow.Backoff{First: firstWait, Most: longestWait, Random: o.Random},
	}
}

// Bind says what runs the followers that Followers lists. It is called before any operation.
func (s *Service) Bind(runner Followers) { s.runner = runner }

func (s *Service) now() chime.Millis { return chime.At(s.o.Now()) }

// age is the present in milliseconds of store time.
func (s *Service) age() uint64 { return uint64(s.o.Clock.Now().Milliseconds()) }

func (s *Service) parse(arn string) (webhook, error) {
	at, err := s.o.Site.ParseKind("WebhookArn", arn, chime.KindWebhook)
	return webhook{at.App, at.ID}, err
}

func (s *Service) parseApp(arn string) (app string, err error) {
	at, err := s.o.Site.ParseKind("AppInstanceArn", arn, chime.KindAppInstance)
	return at.App, err
}

func requireApp(r store.Reader, app string) error {
	found, err := store.AppInstances.Has(r, store.K(app))
	if err == nil && !found {
		err = api.NotFound("AppInstanceArn: the app instance does not exist")
	}
	return err
}

// find reads a subscription. Those of a deleted app instance are gone with it.
func find(r store.Reader, w webhook) (hook chime.Webhook, found bool, err error) {
	if found, err = store.AppInstances.Has(r, store.K(w.app)); err != nil || !found {
		return hook, false, err
	}
	return store.Webhooks.Get(r, w.key())
}

var errNoWebhook error = api.NotFound("WebhookArn does not name a webhook that exists")

func require(r store.Reader, w webhook) (chime.Webhook, error) {
	hook, found, err := find(r, w)
	if err == nil && !found {
		err = errNoWebhook
	}
	return hook, err
}

// list reads the subscriptions of an app instance, in the order of their creation.
func list(r store.Reader, app string) (hooks []chime.Webhook, err error) {
	err = store.Webhooks.Each(r, store.Prefix(store.K(app)), func(_ store.Key, hook chime.Webhook) (bool, error) {
		hooks = append(hooks, hook)
		return true, nil
	})
	slices.SortFunc(hooks, func(a, b chime.Webhook) int { return cmp.Compare(a.Order, b.Order) })
	return hooks, err
}

// changed has what runs follow a change that is committed, whatever becomes of the call that made it.
func (s *Service) changed(ctx context.Context, w webhook) error {
	err := s.runner.Refresh(context.WithoutCancel(ctx), w.app)
	s.wake(w)
	return err
}

// wake has the poster of a subscription read again what waits.
func (s *Service) wake(w webhook) {
	s.mu.Lock()
	p := s.posters[w]
	s.mu.Unlock()
	if p != nil {
		p.again()
	}
}

// Counts are what this node has counted since its start.
type Counts struct {
	Delivered, Failed uint64 // deliveries that are done, or were given up
	FailedAttempts    uint64
}

// Counts returns the counts.
func (s *Service) Counts() Counts {
	return Counts{Delivered: s.delivered.Load(), Failed: s.failed.Load(), FailedAttempts: s.attempts.Load()}
}

// Status is how the subscriptions of all app instances stand.
type Status struct {
	Enabled, Disabled int
	Failing           int // enabled, and their latest attempt has failed
	Pending           uint64
}

// Status reads how the subscriptions stand.
func (s *Service) Status(ctx context.Context) (status Status, err error) {
	err = s.o.Store.View(ctx, "", func(r store.Reader) error {
		status = Status{}
		return each(r, func(w webhook, hook chime.Webhook) error {
			pending, _, err := store.Counts.Get(r, w.pending())
			status.Pending += pending
			switch {
			case hook.Disabled:
				status.Disabled++
			case hook.FailingSince != 0:
				status.Enabled, status.Failing = status.Enabled+1, status.Failing+1
			default:
				status.Enabled++
			}
			return err
		})
	})
	return status, err
}

// each calls visit for every subscription of every app instance.
func each(r store.Reader, visit func(webhook, chime.Webhook) error) error {
	return store.Webhooks.Each(r, store.Range{}, func(key store.Key, hook chime.Webhook) (bool, error) {
		app, err := key.App()
		if err == nil {
			err = visit(webhook{app, hook.ID}, hook)
		}
		return err == nil, err
	})
}

// Clean removes what has been kept for long enough, in short transactions, and has followers run as the
// store says, should a change have been missed.
func (s *Service) Clean(ctx context.Context) error {
	var all []webhook
	err := s.o.Store.View(ctx, "", func(r store.Reader) error {
		all = nil
		return each(r, func(w webhook, _ chime.Webhook) error {
			all = append(all, w)
			return nil
		})
	})
	faults := []error{err}
	for _, w := range all {
		faults = append(faults, s.forget(ctx, w), s.runner.Refresh(ctx, w.app))
	}
	return errors.Join(faults...)
}

// CleanInterval lies between two calls of Clean by Run.
const CleanInterval = 10 * time.Minute

// Run cleans at each interval until ctx ends, and then returns nil.
func (s *Service) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.Clean(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Error("webhooks: cleanup failed, will retry", "error", err, "after", CleanInterval)
		}
		follow.Sleep(ctx, CleanInterval)
	}
	return nil
}
