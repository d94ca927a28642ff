// Package turns has the transactions that write many memberships take turns. All transactions of a node run one
// after another, in groups of those that wait: with turns another one waits for one of them, and not for one of
// each call.
package turns

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/store"
)

// Turns are those of one node. It is safe for concurrent use.
type Turns struct {
	taken chan struct{}
	store store.Store
	alone atomic.Bool // hardly another transaction runs

	// Others are counted for a while. These belong to the transaction that has its turn.
	since  time.Time
	before uint64 // Updates that there were at its beginning
	own    uint64 // of them since
}

const (
	// mostRest bounds how long no transaction has a turn.
	mostRest = 20 * time.Millisecond
	// countTime is how long others are counted, and fewOthers how many of them need no rests.
	countTime = 100 * time.Millisecond
	fewOthers = 2
	// alonePieces is how many pieces one transaction writes while it is alone.
	alonePieces = 4
)

// New makes the turns of the transactions of a store.
func New(st store.Store) *Turns { return &Turns{taken: make(chan struct{}, 1), store: st} }

// Update is store.Store's Update for a transaction that writes many memberships. The next has its turn when this
// one is on disk and as much time again has passed, 20 ms at most: half of the time is for all other calls. While
// there are hardly any, none rests.
func (t *Turns) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	select {
	case t.taken <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	began := time.Now()
	defer func() {
		t.count(time.Now())
		if t.alone.Load() {
			<-t.taken
			return
		}
		time.AfterFunc(min(time.Since(began), mostRest), func() { <-t.taken })
	}()
	return t.store.Update(ctx, app, f)
}

// count finds out after each turn whether others change something.
func (t *Turns) count(now time.Time) {
	t.own++
	if now.Sub(t.since) < countTime {
		return
	}
	updates, known := store.Updates(t.store)
	t.alone.Store(known && updates-t.before <= t.own+fewOthers)
	t.since, t.before, t.own = now, updates, 0
}

// Pieces is how many pieces of a long work one transaction does at present: one while others run.
func (t *Turns) Pieces() int {
	if t.alone.Load() {
		return alonePieces
	}
	return 1
}
