package cognito

import (
	"sync"
	"time"
)

// bucket lets a number of things through in a second, and twice as many at once after a rest.
type bucket struct {
	rate float64
	now  func() time.Time

	mu    sync.Mutex
	level float64
	at    time.Time
}

// take reports whether one more may pass.
func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.level = min(2*b.rate, b.level+b.rate*max(0, now.Sub(b.at).Seconds()))
	b.at = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}
