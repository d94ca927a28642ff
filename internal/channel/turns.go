package channel

import (
	"context"
	"time"

	"github.com/carillon-chat/carillon/internal/store"
)

// turns has the transactions that write many memberships take turns. All transactions of a node run one
// after another, in groups of those that wait: with turns another one waits for one of them, and not for
// one of each call.
type turns chan struct{}

func newTurns() turns { return make(turns, 1) }

// mostRest bounds how long no transaction has a turn.
const mostRest = 20 * time.Millisecond

// inTurn is store.Store's Update for a transaction that writes many memberships. The next has its turn when
// this one is on disk and as much time again has passed: half of the time is for all other calls.
func (s *Service) inTurn(ctx context.Context, app string, f func(store.Tx) error) error {
	select {
	case s.turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	began := time.Now()
	defer func() { time.AfterFunc(min(time.Since(began), mostRest), func() { <-s.turns }) }()
	return s.store.Update(ctx, app, f)
}
