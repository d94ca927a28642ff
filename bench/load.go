//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// loadJob is one round of sends, for the role "load".
type loadJob struct {
	Addr    string // of the node, or of the reference
	PID     int    // whose processor time is counted
	Channel string
	Sender  string   // ARN
	Members []string // ARNs of those who are online
	Seconds float64
	Rate    float64 // sends a second; 0 is as many as possible
	Stock   int     // most sends
	Keys    keys    // that sign the sends
}

// loadResult is what came of it.
type loadResult struct {
	Sends    float64       // acknowledged
	Frames   float64       // received by all members together
	Seconds  float64       // until the last of both
	CPU      time.Duration // of the server
	P50, P99 float64       // microseconds from send to receive, when paced
	Size     int           // of a frame, in bytes
}

func (r loadResult) sendsPerSecond() float64  { return r.Sends / r.Seconds }
func (r loadResult) framesPerSecond() float64 { return r.Frames / r.Seconds }
func (r loadResult) cpuPerSend() float64      { return float64(r.CPU.Microseconds()) / r.Sends }

const (
	senders = 64 // connections that send at once
	padding = "a usual chat message has about a hundred characters, and this one has them too, to the dot."
	settle  = 10 * time.Second // for frames that are under way
)

// load is a generator at work.
type load struct {
	loadJob
	requests [][]byte
	sent     []int64 // when each request was sent, nanoseconds after start; only when paced
	start    time.Time
	next     atomic.Int64
	acked    atomic.Int64
	audience *audience
}

// runLoad is the role "load".
func runLoad(ctx context.Context, job loadJob) (result loadResult, err error) {
	// Its own collector must not be measured; the memory of a round is bounded by its stock.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(3 << 30)
	l := &load{loadJob: job, requests: make([][]byte, job.Stock), sent: make([]int64, job.Stock)}
	if err := parallel(runtime.NumCPU(), job.Stock, l.prepare); err != nil {
		return result, err
	}
	if l.audience, err = gather(len(job.Members), l.latencyOf, func(i int) (*socket, error) {
		return connect(job.Addr, job.Members[i], nil, socketBuffer)
	}); err != nil {
		return result, err
	}
	defer l.audience.close()
	conns := make([]*httpConn, senders)
	for i := range conns {
		if conns[i], err = dialHTTP(job.Addr); err != nil {
			return result, err
		}
		defer conns[i].Close()
	}
	before, err := cpuTime(job.PID)
	if err != nil {
		return result, err
	}
	l.start = time.Now()
	if job.Rate > 0 {
		err = l.paced(conns)
	} else {
		err = parallel(senders, senders, func(i int) error { return l.saturate(conns[i]) })
	}
	acked := l.acked.Load()
	if err == nil {
		err = l.audience.await(ctx, acked*int64(len(job.Members)))
	}
	result.Seconds = time.Since(l.start).Seconds()
	after, failed := cpuTime(job.PID)
	result.Sends, result.CPU = float64(acked), after-before
	l.audience.tell(&result)
	return result, errors.Join(err, failed)
}

// marker tells frames apart. It survives any encoding as JSON.
func marker(i int64) string { return fmt.Sprintf("#%08d#", i) }

// markedBy finds the marker in a frame; -1 when there is none.
func markedBy(frame []byte) int64 {
	at := bytes.IndexByte(frame, '#')
	if at < 0 || len(frame) < at+10 || frame[at+9] != '#' {
		return -1
	}
	n, err := strconv.ParseInt(string(frame[at+1:at+9]), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// prepare signs one request, so that sending costs nothing but the write.
func (l *load) prepare(i int) error {
	body := fmt.Appendf(nil, `{"Content":"%s%s","Type":"STANDARD","Persistence":"PERSISTENT","ClientRequestToken":"%d-%08d"}`,
		marker(int64(i)), padding, l.PID+time.Now().Nanosecond(), i)
	r, err := l.Keys.signed(context.Background(), "http://"+l.Addr, http.MethodPost,
		"/channels/"+escape(l.Channel)+"/messages", l.Sender, body)
	if err != nil {
		return err
	}
	l.requests[i], err = wire(r)
	return err
}

func (l *load) duration() time.Duration { return time.Duration(l.Seconds * float64(time.Second)) }

// saturate sends on one connection, each request when the one before is acknowledged.
func (l *load) saturate(c *httpConn) error {
	for time.Since(l.start) < l.duration() {
		i := l.next.Add(1) - 1
		if i >= int64(len(l.requests)) {
			return nil
		}
		if _, err := c.Write(l.requests[i]); err != nil {
			return err
		}
		if err := c.answer(); err != nil {
			return err
		}
		l.acked.Add(1)
	}
	return nil
}

// paced sends at a steady rate, whatever the answers do.
func (l *load) paced(conns []*httpConn) error {
	idle := make(chan *httpConn, len(conns))
	var answers sync.WaitGroup
	waiting := make([]chan struct{}, len(conns))
	failed := make(chan error, len(conns))
	index := map[*httpConn]chan struct{}{}
	for i, c := range conns {
		waiting[i] = make(chan struct{}, 1)
		index[c] = waiting[i]
		idle <- c
		answers.Go(func() {
			for range waiting[i] {
				if err := c.answer(); err != nil {
					failed <- err
					return
				}
				l.acked.Add(1)
				idle <- c
			}
		})
	}
	err := pace(l.Rate, l.duration(), len(l.requests), func(i int) error {
		select {
		case c := <-idle:
			atomic.StoreInt64(&l.sent[i], int64(time.Since(l.start)))
			_, err := c.Write(l.requests[i])
			index[c] <- struct{}{}
			return err
		case err := <-failed:
			return err
		}
	})
	for _, w := range waiting {
		close(w)
	}
	answers.Wait()
	return err
}

// latencyOf tells how long ago the frame was sent, in microseconds; false when that is not
// measured.
func (l *load) latencyOf(frame []byte) (int64, bool) {
	if l.Rate == 0 {
		return 0, false
	}
	i := markedBy(frame)
	if i < 0 || i >= int64(len(l.sent)) {
		return 0, false
	}
	return (int64(time.Since(l.start)) - atomic.LoadInt64(&l.sent[i])) / 1000, true
}

const prSetTimerSlack = 29 // of prctl(2)

// pace calls f at a steady rate from a thread of its own: timers of the runtime are late by up
// to a millisecond.
func pace(rate float64, duration time.Duration, most int, f func(i int) error) error {
	runtime.LockOSThread() // never unlocked, so that the thread with its slack ends
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, 1, 0)
	start := time.Now()
	for i := range min(most, int(rate*duration.Seconds())) {
		due := time.Duration(float64(i) / rate * float64(time.Second))
		if wait := due - time.Since(start); wait > 0 {
			t := syscall.NsecToTimespec(int64(wait))
			_ = syscall.Nanosleep(&t, nil) // interrupted: a little early
		}
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

// audience are the sockets that receive.
type audience struct {
	sockets  []*socket
	latency  func(frame []byte) (microseconds int64, measured bool)
	received atomic.Int64
	size     atomic.Int64 // of the latest frame
	mu       sync.Mutex
	closed   string // why a socket was closed
	times    *hdrhistogram.Histogram
	readers  sync.WaitGroup
}

func newTimes() *hdrhistogram.Histogram { return hdrhistogram.New(1, 10_000_000, 3) }

// gather connects the sockets and begins to read them.
func gather(count int, latency func([]byte) (int64, bool), dial func(i int) (*socket, error)) (*audience, error) {
	a := &audience{sockets: make([]*socket, count), latency: latency, times: newTimes()}
	err := parallel(setupCallers, count, func(i int) (err error) {
		a.sockets[i], err = dial(i)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, s := range a.sockets {
		a.readers.Go(func() { a.listen(s) })
	}
	return a, nil
}

func (a *audience) listen(s *socket) {
	times := newTimes()
	for ended := false; !ended; {
		count := int64(0)
		err := s.read(func(op byte, payload []byte) {
			switch op {
			case opText:
				count++
				a.size.Store(int64(len(payload)) + 4)
				if us, measured := a.latency(payload); measured {
					_ = times.RecordValue(max(1, us)) // beyond 10 s it is lost, and so is the round
				}
			case opClose:
				a.mu.Lock()
				a.closed = closeText(payload)
				a.mu.Unlock()
			}
		})
		a.received.Add(count)
		ended = err != nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times.Merge(times)
}

// await waits until so many frames were received.
func (a *audience) await(ctx context.Context, frames int64) error {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for a.received.Load() < frames {
		select {
		case <-tick.C:
		case <-ctx.Done():
			a.mu.Lock()
			defer a.mu.Unlock()
			return fmt.Errorf("%d of %d frames were received; a socket was closed: %q", a.received.Load(), frames, a.closed)
		}
	}
	return nil
}

// tell closes the sockets and adds what they received to the result.
func (a *audience) tell(r *loadResult) {
	a.close()
	a.readers.Wait()
	r.Frames, r.Size = float64(a.received.Load()), int(a.size.Load())
	r.P50, r.P99 = float64(a.times.ValueAtQuantile(50)), float64(a.times.ValueAtQuantile(99))
}

func (a *audience) close() {
	for _, s := range a.sockets {
		s.Close()
	}
}
