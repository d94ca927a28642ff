package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/store"
)

// Staleness is how old a node's knowledge of the account may be when it decides by what it remembers.
const Staleness = 5 * time.Second

const (
	// accountEvery lies between two looks at the account's log: what another node changes is known within
	// a second.
	accountEvery = 500 * time.Millisecond
	// accountEvents is how many events one look reads; more count as a change.
	accountEvents = 256
)

// Account is the account's log as this node follows it: another node may change what callers are allowed.
type Account struct {
	store    store.Store
	changed  func()
	log      *slog.Logger
	position uint64 // of the latest event that was seen

	began     time.Time // with a monotonic reading
	confirmed atomic.Int64
}

// FollowAccount begins with the account as it is now, before anything of it is remembered. Run has changed
// called when a node has changed what callers may do, and also when that is not known any more.
func FollowAccount(ctx context.Context, st store.Store, log *slog.Logger, changed func()) (*Account, error) {
	a := &Account{store: st, changed: changed, log: log, began: time.Now()}
	if _, err := a.look(ctx); err != nil {
		return nil, fmt.Errorf("follow the account's log: %w", err)
	}
	return a, nil
}

// Run looks at the log until ctx ends, and then returns nil.
func (a *Account) Run(ctx context.Context) error {
	ticker := time.NewTicker(accountEvery)
	defer ticker.Stop()
	for stale := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		bounded, cancel := context.WithTimeout(ctx, Staleness)
		before := a.Confirmed()
		changed, err := a.look(bounded)
		cancel()
		switch {
		case err == nil && (changed || !before):
			stale = false
			a.changed()
		case err != nil && !stale && !a.Confirmed() && ctx.Err() == nil:
			stale = true
			a.log.Error("cluster: cannot read the account's log, so nothing is decided by what is remembered of it", "error", err, "for", Staleness)
			a.changed()
		}
	}
}

// Confirmed reports whether what is remembered of the account was confirmed within Staleness, by this node's
// monotonic clock.
func (a *Account) Confirmed() bool {
	return time.Since(a.began)-time.Duration(a.confirmed.Load()) <= Staleness
}

// look reads on in the log, and reports whether what callers may do has changed.
func (a *Account) look(ctx context.Context) (changed bool, err error) {
	began := time.Since(a.began)
	var end uint64
	err = a.store.View(ctx, "", func(r store.Reader) (err error) {
		if end, err = r.Position(); err != nil || end == a.position {
			changed = false
			return err
		}
		changed, err = a.permits(r, end)
		return err
	})
	if err != nil {
		return false, err
	}
	a.position = end
	a.confirmed.Store(int64(began))
	return changed, nil
}

// permits reports whether an event after those that were seen changes what callers may do. It is true when
// there are too many to look at, or the log has them no more.
func (a *Account) permits(r store.Reader, end uint64) (bool, error) {
	start, err := store.LogStart(r, "")
	if err != nil || start > a.position || end-a.position > accountEvents {
		return true, err
	}
	events, err := store.ReadEvents(r, "", a.position, accountEvents)
	for _, e := range events {
		if e.Kind().Permits {
			return true, nil
		}
	}
	return false, err
}
