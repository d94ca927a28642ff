package rig

import (
	"sync"
	"sync/atomic"
)

// Parallel calls f for 0 to count-1 from several goroutines and returns the first error.
func Parallel(callers, count int, f func(i int) error) error {
	var next atomic.Int64
	var first error
	var once sync.Once
	var group sync.WaitGroup
	for range min(callers, count) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(count))
				}
			}
		})
	}
	group.Wait()
	return first
}
