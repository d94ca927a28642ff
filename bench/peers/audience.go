//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/carillon-chat/carillon/bench/rig"
)

// audience are the sockets that receive. It counts receptions, and measures how long the last
// receiver of a message waited for it.
type audience struct {
	crowd *rig.Crowd

	// Of messages that are timed, by number: when each was due, in nanoseconds after epoch, and how many
	// of its receivers lack it.
	epoch   time.Time
	due     []atomic.Int64
	lacking []int32                 // the reading thread's
	times   *hdrhistogram.Histogram // microseconds; the reading thread's until it has ended

	fresh    int64 // receptions since the latest batch; the reading thread's
	received atomic.Int64
	awaited  atomic.Int64
	reached  chan struct{}
	mu       sync.Mutex
	closed   string // why the first socket ended
}

// newAudience is empty. It times so many messages with so many receivers each; 0 times none.
func newAudience(messages, receivers int) (a *audience, err error) {
	a = &audience{
		epoch: time.Now(), due: make([]atomic.Int64, messages), lacking: make([]int32, messages),
		times: hdrhistogram.New(1, 60_000_000, 3), reached: make(chan struct{}, 1),
	}
	for i := range a.lacking {
		a.lacking[i] = int32(receivers)
	}
	a.awaited.Store(math.MaxInt64)
	a.crowd, err = rig.NewCrowd(a.listen, a.lost, a.count)
	return a, err
}

// gather opens sockets and lets them in.
func (a *audience) gather(addr string, entries []entry) error {
	return rig.Parallel(rig.SetupCallers, len(entries), func(i int) error {
		s, err := entries[i].open(addr)
		if err != nil {
			return err
		}
		return a.crowd.Admit(i, s, false)
	})
}

// listen finds the messages of a frame by their markers: there may be several in one, and whatever a
// peer writes around them is not looked at.
func (a *audience) listen(id int, op byte, payload []byte) {
	if op == rig.OpText && (bytes.HasPrefix(payload, heartbeat) || bytes.Contains(payload, laterHeartbeat)) {
		a.crowd.Reply(id, rig.MaskedText(heartbeat))
	}
	switch {
	case op == rig.OpClose:
		a.fail(rig.CloseText(payload))
	case op != rig.OpText:
	case len(a.due) == 0:
		a.fresh += int64(countMarkers(payload))
	default:
		a.time(payload)
	}
}

// heartbeat is what Centrifugo's protocol has for a ping and for its answer: a line of a frame, which
// may have others.
var heartbeat, laterHeartbeat = []byte("{}"), []byte("\n{}")

var markerSign = []byte("#")

// countMarkers is how many messages are in what a peer wrote: a marker has two signs.
func countMarkers(b []byte) int { return bytes.Count(b, markerSign) / 2 }

func (a *audience) time(payload []byte) {
	for {
		at := bytes.IndexByte(payload, markerSign[0])
		if at < 0 {
			return
		}
		i := rig.MarkedBy(payload[at:])
		if i < 0 || i >= int64(len(a.lacking)) {
			a.fail(fmt.Sprintf("a frame has the marker %d", i))
			return
		}
		a.fresh++
		if a.lacking[i]--; a.lacking[i] == 0 {
			us := (int64(time.Since(a.epoch)) - a.due[i].Load()) / 1000
			_ = a.times.RecordValue(max(1, us)) // beyond a minute it is lost, and so is the round
		}
		payload = payload[at+len(rig.Marker(0)):]
	}
}

func (a *audience) lost(_ int, why error) { a.fail(why.Error()) }

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

const settleTime = 10 * time.Second // for messages that are under way

// await waits until so many receptions were counted, and fails when a socket has ended.
func (a *audience) await(ctx context.Context, receptions int64) error {
	a.awaited.Store(receptions)
	late := time.NewTimer(settleTime)
	defer late.Stop()
	for a.received.Load() < receptions {
		select {
		case <-a.reached:
			continue
		case <-ctx.Done():
		case <-late.C:
		}
		break
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if received := a.received.Load(); received != receptions || a.closed != "" {
		return fmt.Errorf("%d messages were received instead of %d; a socket ended: %q", received, receptions, a.closed)
	}
	return nil
}
