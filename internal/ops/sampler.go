package ops

import (
	"sync"
	"time"
)

// Sampler bounds how often a log line is written whose number the callers decide:
// one in each interval, with the number of those that were left out before it. It is safe for
// concurrent use.
type Sampler struct {
	every time.Duration
	now   func() time.Time

	mu      sync.Mutex
	last    time.Time // of the latest line
	written bool
	omitted uint64
}

// NewSampler makes a sampler that lets one line through in each interval of the clock. A clock that
// steps back begins a new interval.
func NewSampler(every time.Duration, now func() time.Time) *Sampler {
	return &Sampler{every: every, now: now}
}

// Sample reports whether a line is to be written now, and how many were left out since the one
// before.
func (s *Sampler) Sample() (omitted uint64, ok bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := now.Sub(s.last); s.written && since >= 0 && since < s.every {
		s.omitted++
		return 0, false
	}
	omitted, s.omitted = s.omitted, 0
	s.last, s.written = now, true
	return omitted, true
}
