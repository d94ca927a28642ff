package follow

import (
	"context"
	"encoding/binary"
	"io"
	"time"
)

// Backoff says how long to wait before something is tried again.
type Backoff struct {
	First  time.Duration // before the second attempt
	Most   time.Duration // the waits double up to this
	Random io.Reader     // spreads them, so that nodes do not retry together
}

// Wait is how long to wait after so many failures in a row: between half and all of the doubled First.
func (b Backoff) Wait(failures int) time.Duration {
	wait := b.First
	for range failures - 1 {
		if wait >= b.Most {
			break
		}
		wait *= 2
	}
	return b.jitter(min(wait, b.Most))
}

// jitter is between half and all of a wait.
func (b Backoff) jitter(wait time.Duration) time.Duration {
	var random [2]byte
	if _, err := io.ReadFull(b.Random, random[:]); err != nil {
		return wait // without jitter rather than not at all
	}
	part := time.Duration(binary.BigEndian.Uint16(random[:]))
	return wait/2 + wait/2*part/(1<<16)
}

// Insist calls f until it succeeds or ctx ends, and reports whether it succeeded. failed gets each failure,
// how many there were in a row, and the wait that follows.
func (b Backoff) Insist(ctx context.Context, f func() error, failed func(err error, failures int, wait time.Duration)) bool {
	for failures := 1; ctx.Err() == nil; failures++ {
		err := f()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		wait := b.Wait(failures)
		failed(err, failures, wait)
		Sleep(ctx, wait)
	}
	return false
}

// Sleep waits until ctx ends or the time is over.
func Sleep(ctx context.Context, wait time.Duration) { wake(ctx, nil, wait) }

// wake is Sleep that something may end.
func wake(ctx context.Context, woken <-chan struct{}, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-woken:
	case <-timer.C:
	}
}
