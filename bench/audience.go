//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/carillon-chat/carillon/bench/rig"
)

// audience are the sockets that receive. Frames are counted, and their latency is measured, of
// the steady ones alone: the first so many.
type audience struct {
	*rig.Crowd
	steady  int
	latency func(frame []byte) (microseconds int64, measured bool)
	times   *hdrhistogram.Histogram // the reading thread's until it has ended
	fresh   int64                   // received since the latest batch; guarded by the crowd
	size    int                     // of the latest frame; likewise

	received atomic.Int64
	awaited  atomic.Int64
	reached  chan struct{}
	mu       sync.Mutex
	closed   string // why a steady socket was closed
	leave    func(id int)
}

func newTimes() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

// newAudience is empty. leave, which may be nil, gets the ids of sockets that end and are not
// steady; it must not block.
func newAudience(steady int, latency func([]byte) (int64, bool), leave func(id int)) (a *audience, err error) {
	a = &audience{steady: steady, latency: latency, times: newTimes(), reached: make(chan struct{}, 1), leave: leave}
	a.awaited.Store(math.MaxInt64)
	a.Crowd, err = rig.NewCrowd(a.listen, a.lost, a.count)
	return a, err
}

// gather lets sockets in, those of ids from up to, but not including, to.
func (a *audience) gather(from, to int, deaf bool, dial func(id int) (*rig.Socket, error)) error {
	return rig.Parallel(rig.SetupCallers, to-from, func(i int) error {
		s, err := dial(from + i)
		if err != nil {
			return err
		}
		return a.Admit(from+i, s, deaf)
	})
}

func (a *audience) listen(id int, op byte, payload []byte) {
	if id >= a.steady {
		return
	}
	switch op {
	case rig.OpText:
		a.fresh++
		a.size = len(payload) + 4
		if us, measured := a.latency(payload); measured {
			_ = a.times.RecordValue(max(1, us)) // beyond a minute it is lost, and so is the round
		}
	case rig.OpClose:
		a.fail(rig.CloseText(payload))
	}
}

func (a *audience) lost(id int, why error) {
	if id < a.steady {
		a.fail(why.Error())
	} else if a.leave != nil {
		a.leave(id)
	}
}

// fail keeps the first reason.
func (a *audience) fail(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed == "" {
		a.closed = why
	}
}

func (a *audience) count() {
	if a.fresh == 0 {
		return
	}
	received := a.received.Add(a.fresh)
	a.fresh = 0
	if received >= a.awaited.Load() {
		select {
		case a.reached <- struct{}{}:
		default:
		}
	}
}

const settle = 10 * time.Second // for frames that are under way

// await waits until so many frames were received.
func (a *audience) await(ctx context.Context, frames int64) error {
	a.awaited.Store(frames)
	late := time.NewTimer(settle)
	defer late.Stop()
	for a.received.Load() < frames {
		select {
		case <-a.reached:
			continue
		case <-ctx.Done():
		case <-late.C:
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		return fmt.Errorf("%d of %d frames were received; a socket ended: %q", a.received.Load(), frames, a.closed)
	}
	return nil
}

// sum closes the sockets and adds what they received to the result.
func (a *audience) sum(r *loadResult) {
	a.Close()
	r.Frames, r.Size = float64(a.received.Load()), a.size
	r.P50, r.P99 = float64(a.times.ValueAtQuantile(50)), float64(a.times.ValueAtQuantile(99))
}
