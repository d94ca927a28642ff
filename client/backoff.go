package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff grows from first to longest, doubling with each wait.
type backoff struct {
	first, longest time.Duration
	waits          int
}

// next gives a random wait between zero and the limit reached: full jitter spreads the clients of
// a server that comes back.
func (b *backoff) next() time.Duration {
	limit := b.longest
	if b.waits < 30 && b.first<<b.waits < limit {
		limit = b.first << b.waits
	}
	b.waits++
	return rand.N(limit + 1)
}

// wait returns early, with the reason, when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
