//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// loadJob is one round of sends, for the role "load".
type loadJob struct {
	Addr    string // of the node, or of the reference
	PID     int    // of the process whose processor time is counted
	Channel string
	Sender  string   // ARN
	Members []string // ARNs of those that are online
	Seconds float64
	Rate    float64           // sends a second; 0 is as many as possible
	Stock   int               // most sends
	Keys    sigv4.Credentials // that sign the sends

	Rooms []room // call on these in turns, instead of on Channel by Sender
	Call  string // make this call of calls instead of a send

	Page   int  // list so many messages instead of sending one
	Single bool // a send begins when all have received the one before
	Fresh  bool // sign requests when they are sent; otherwise all are signed before the round
	Until  bool // the round ends with stdin, if that is earlier

	Unsteady int     // the last so many members, whose frames are not counted
	Stopped  bool    // these do not read, and come back when they are closed
	Churn    float64 // or so many of these a second lose their socket and come back
}

// loadResult is what came of it.
type loadResult struct {
	Sends          float64       // acknowledged
	Frames         float64       // received by all steady members together
	Seconds        float64       // until the last of both
	CPU            time.Duration // of the server
	P50, P99       float64       // microseconds from send to receive, when paced
	AckP50, AckP99 float64       // microseconds from when a send was due to its answer, when paced
	Size           int           // of a frame, in bytes
	Returned       float64       // sockets of unsteady members that were opened again
}

func (r loadResult) sendsPerSecond() float64  { return r.Sends / r.Seconds }
func (r loadResult) framesPerSecond() float64 { return r.Frames / r.Seconds }
func (r loadResult) cpuPerSend() float64      { return float64(r.CPU.Microseconds()) / r.Sends }
func (r loadResult) cpuPerFrame() float64     { return float64(r.CPU.Nanoseconds()) / 1000 / r.Frames }

const (
	senders = 64 // connections that send at once
	padding = "a usual chat message has about a hundred characters, and this one has them too, to the dot."
)

// load is a generator at work.
type load struct {
	loadJob
	peer     lab.Peer // that signs the sends
	requests [][]byte
	sent     []int64 // when a request was sent, in nanoseconds after epoch; a ring, when paced
	run      int     // distinguishes the tokens of rounds
	epoch    time.Time
	start    time.Time // of the sends
	acked    atomic.Int64
	acks     *hdrhistogram.Histogram // guarded by mu
	mu       sync.Mutex
	audience *audience
	unsteady *unsteady
}

// ring is for how many sends their time is kept: those of some seconds at least.
const ring = 1 << 17

// runLoad is the role "load".
func runLoad(ctx context.Context, job loadJob) (result loadResult, err error) {
	// Its own collector must not be measured; the memory of a round is bounded by its stock.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(3 << 30)

	l := &load{loadJob: job, peer: lab.Dev(job.Addr, 0).As(job.Keys), sent: make([]int64, min(job.Stock, ring)), run: job.PID + time.Now().Nanosecond(),
		epoch: time.Now(), acks: newTimes()}

	// Signing is no part of what is measured, so it is done before.
	if !job.Fresh {
		l.requests = make([][]byte, job.Stock)
		if err := rig.Parallel(runtime.NumCPU(), job.Stock, func(i int) (err error) {
			l.requests[i], err = l.sign(i)
			return err
		}); err != nil {
			return result, err
		}
	}

	// All members and connections are there before the clock starts.
	if err := l.gather(ctx); err != nil {
		return result, err
	}
	defer l.audience.Close()
	conns, err := rig.DialSenders(job.Addr, senders)
	if err != nil {
		return result, err
	}
	defer conns.Close()

	// From here on the node works for the round alone.
	before, err := rig.CPUTime(job.PID)
	if err != nil {
		return result, err
	}
	l.start = time.Now()
	stop := l.unsteady.begin(ctx)
	err = l.send(ctx, conns)
	acked := l.acked.Load()
	if err == nil {
		err = l.audience.await(context.WithoutCancel(ctx), acked*int64(l.audience.steady))
	}

	// The round ends when the last frame has arrived, and not with the last send.
	result.Seconds = time.Since(l.start).Seconds()
	after, failed := rig.CPUTime(job.PID)
	returned, lost := stop()
	result.Sends, result.CPU, result.Returned = float64(acked), after-before, float64(returned)
	l.audience.sum(&result)
	result.AckP50, result.AckP99 = float64(l.acks.ValueAtQuantile(50)), float64(l.acks.ValueAtQuantile(99))
	return result, errors.Join(err, failed, lost)
}

// gather connects the members.
func (l *load) gather(ctx context.Context) (err error) {
	steady := len(l.Members) - l.Unsteady
	l.unsteady = &unsteady{load: l, left: make(chan int, l.Unsteady)}
	if l.audience, err = newAudience(steady, l.latencyOf, l.unsteady.leave); err != nil {
		return err
	}
	dial := func(id int) (*rig.Socket, error) { return rig.Door{Addr: l.Addr}.Connect(l.Members[id]) }
	if err = l.audience.gather(0, steady, false, dial); err == nil {
		err = l.audience.gather(steady, len(l.Members), l.Stopped, dial)
	}
	if err != nil {
		l.audience.Close()
	}
	return err
}

func (l *load) send(ctx context.Context, s *rig.Senders) error {
	switch {
	case l.Single:
		return l.single(ctx, s)
	case l.Rate > 0:
		return s.Paced(ctx, l.Rate, l.duration(), l.work())
	}
	return s.Saturate(l.duration(), l.work())
}

// sign makes the i-th request.
func (l *load) sign(i int) ([]byte, error) {
	in, asks := l.asked(i)
	r, err := l.peer.Request(context.Background(), asks.method, asks.target, in.Bearer, asks.body)
	if err != nil {
		return nil, err
	}
	return rig.Wire(r)
}

// token is a UUID, as the SDKs make for each call: one has nothing in common with the next.
func (l *load) token(i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d-%d", l.run, i))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// request is one that was signed before, so that sending costs nothing but the write, or not.
func (l *load) request(i int) ([]byte, error) {
	if l.Fresh {
		return l.sign(i)
	}
	return l.requests[i], nil
}

func (l *load) duration() time.Duration { return time.Duration(l.Seconds * float64(time.Second)) }

// single sends when all have received what was sent before.
func (l *load) single(ctx context.Context, s *rig.Senders) error {
	for i := 0; i < l.Stock && time.Since(l.start) < l.duration(); i++ {
		if err := s.Post(l.work(), i); err != nil {
			return err
		}
		if err := l.audience.await(ctx, int64(i+1)*int64(l.audience.steady)); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) work() rig.Work {
	return rig.Work{Most: l.Stock, Request: l.request, Sent: l.sending, Acked: l.answered}
}

// sending notes when a send whose latency is measured begins.
func (l *load) sending(i int, _ time.Time) {
	if l.Rate > 0 {
		atomic.StoreInt64(&l.sent[i%len(l.sent)], int64(time.Since(l.epoch)))
	}
}

// answered counts an acknowledgement, and measures that of a paced send.
func (l *load) answered(_ int, due time.Time) {
	l.acked.Add(1)
	if l.Rate == 0 {
		return
	}
	us := time.Since(due).Microseconds()
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.acks.RecordValue(max(1, us))
}

// latencyOf returns how long ago the frame was sent, in microseconds, and false when that is not
// measured.
func (l *load) latencyOf(frame []byte) (int64, bool) {
	if l.Rate == 0 {
		return 0, false
	}
	i := rig.MarkedBy(frame)
	if i < 0 || len(l.sent) == 0 {
		return 0, false
	}
	return (int64(time.Since(l.epoch)) - atomic.LoadInt64(&l.sent[i%int64(len(l.sent))])) / 1000, true
}
