package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/store"
)

// turns has the transactions that write many memberships take turns. All transactions of a node run one
// after another, in groups of those that wait: with turns another one waits for one of them, and not for
// one of each call.
type turns chan struct{}

func newTurns() turns { return make(turns, 1) }

// inTurn is store.Store's Update for a transaction that writes many memberships. The next has its turn
// when this one is on disk: meanwhile the others have the processor.
func (s *Service) inTurn(ctx context.Context, app string, f func(store.Tx) error) error {
	select {
	case s.turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turns }()
	return s.store.Update(ctx, app, f)
}
