package throttle

// Known is how many buckets are kept.
func (l *Limiter) Known() int {
	n := 0
	for i := range l.buckets.shards {
		s := &l.buckets.shards[i]
		s.mu.Lock()
		n += len(s.full)
		s.mu.Unlock()
	}
	return n
}
