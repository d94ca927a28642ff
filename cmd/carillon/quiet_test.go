package main

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGarbageIsCollectedWhenQuiet: what a rush leaves is collected once when it is over, not while it lasts,
// and little garbage is left alone.
func TestGarbageIsCollectedWhenQuiet(t *testing.T) {
	for name, tc := range map[string]struct {
		garbage uint64 // that the rush leaves
		rate    uint64 // bytes allocated in a quietTime afterwards
		want    int    // collections
	}{
		"after a rush":   {garbage: 64 << 20, rate: quietBytes / 2, want: 1},
		"little garbage": {garbage: muchGarbage / 2, want: 0},
		"never quiet":    {garbage: 64 << 20, rate: 2 * quietBytes, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				state, collections := heap{held: 1 << 20, taken: 1 << 20}, 0
				var rate atomic.Uint64
				rate.Store(tc.garbage / 4)
				go collectWhenQuiet(ctx, func() heap {
					state.allocated, state.taken = state.allocated+rate.Load(), state.taken+rate.Load()
					return state
				}, func() {
					collections++
					state.taken = state.held
				})

				time.Sleep(2*quietTime + quietTime/2)
				synctest.Wait()
				if collections > 0 {
					t.Error("collected during the rush")
				}
				rate.Store(tc.rate)
				time.Sleep(10 * quietTime)
				synctest.Wait()
				if collections != tc.want {
					t.Errorf("%d collections, want %d", collections, tc.want)
				}
				stop()
				synctest.Wait()
			})
		})
	}
}

func TestHeapIsRead(t *testing.T) {
	if h := readHeap()(); h.allocated == 0 || h.taken == 0 {
		t.Errorf("%+v", h)
	}
}
