package follow

import (
	"context"
	"sync"
)

// Slots bound how many works of one kind run at once: calls of one server, for example. They are safe for
// concurrent use, and keep each kind.
type Slots[K comparable] struct {
	most int
	mu   sync.Mutex
	of   map[K]chan struct{}
}

// NewSlots makes Slots for so many works of each kind.
func NewSlots[K comparable](most int) *Slots[K] {
	return &Slots[K]{most: most, of: map[K]chan struct{}{}}
}

// Take waits for a slot of the kind, which free gives back; taken is false when ctx ends before.
func (s *Slots[K]) Take(ctx context.Context, kind K) (free func(), taken bool) {
	s.mu.Lock()
	slots := s.of[kind]
	if slots == nil {
		slots = make(chan struct{}, s.most)
		s.of[kind] = slots
	}
	s.mu.Unlock()

	select {
	case slots <- struct{}{}:
		return func() { <-slots }, true
	case <-ctx.Done():
		return nil, false
	}
}
