//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

const (
	senders     = 64  // connections that send at once
	messageSize = 600 // bytes of a text
)

// texts make messages that differ and do not compress, without a cost that the load would feel.
type texts struct{ letters string }

func newTexts() texts {
	var b strings.Builder
	for range 64 << 10 {
		b.WriteByte("abcdefghijklmnopqrstuvwxyz     "[rand.IntN(31)])
	}
	return texts{b.String()}
}

// text is the i-th message: its marker, and letters up to the size.
func (t texts) text(i int) string {
	marker := rig.Marker(int64(i))
	at := i * 7919 % (len(t.letters) - messageSize)
	return marker + t.letters[at:at+messageSize-len(marker)]
}

// clock measures what a round takes.
type clock struct {
	server     server
	processors []int // of the server and of the load
	start      time.Time
	before     spent // since the start of the processes
}

// spent is what a round took.
type spent struct {
	seconds      float64
	server, load time.Duration // CPU
	all          time.Duration // CPU of all processes on the processors of both
	processors   float64       // how many these are
}

func (b *bench) startClock(s server) (c clock, err error) {
	c = clock{server: s, processors: union(b.serverCPUs, b.loadCPUs)}
	c.before, err = c.now()
	c.start = time.Now()
	return c, err
}

func (c clock) stop() (s spent, err error) {
	seconds := time.Since(c.start).Seconds()
	s, err = c.now()
	s.seconds, s.processors = seconds, float64(len(c.processors))
	s.server, s.load, s.all = s.server-c.before.server, s.load-c.before.load, s.all-c.before.all
	return s, err
}

func (c clock) now() (s spent, err error) {
	s.load = ownUsage()
	if s.server, err = usage(c.server); err == nil {
		s.all, err = rig.BusyTime(c.processors)
	}
	return s, err
}

// union are the numbers of both lists.
func union(a, b []int) []int {
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	return slices.Compact(all)
}

// ownUsage is the CPU time of this process.
func ownUsage() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for this process
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// round is one measurement of sends to channels whose members are all online.
type round struct {
	bench    *bench
	server   server
	channels int         // the first so many of the server's
	online   int         // users that are connected, from the first
	members  int         // of each channel that are online
	length   float64     // seconds
	rate     float64     // sends a second; 0 is as many as possible
	most     int         // sends
	acked    func(i int) // may be nil
}

// outcome is what came of a round.
type outcome struct {
	spent
	done     float64 // sends, pages, joins or connections
	p50, p99 float64 // milliseconds from when a send was due to its last receiver, when paced
	bytes    float64 // received by users that joined, or of memory for all connections
	idle     float64 // processors that idle connections keep busy
}

func (o outcome) perSecond() float64 { return o.done / o.seconds }
func (o outcome) cpu() float64       { return float64(o.server.Nanoseconds()) / 1000 / o.done } // microseconds
func (o outcome) busy() float64      { return o.server.Seconds() / o.seconds }                  // processors
func (o outcome) loaded() float64    { return o.load.Seconds() / o.seconds }                    // processors

// foreign is the share of the processors that other processes took.
func (o outcome) foreign() float64 {
	return max(0, (o.all-o.server-o.load).Seconds()/o.seconds/o.processors)
}

// run prepares, sends, and waits until all is received.
func (r round) run(ctx context.Context) (o outcome, err error) {
	requests, entries, err := r.prepare()
	if err != nil {
		return o, err
	}
	timed := 0
	if r.rate > 0 {
		timed = r.most
	}
	listeners, err := newAudience(timed, r.members)
	if err != nil {
		return o, err
	}
	defer listeners.crowd.Close()
	if err := listeners.gather(r.server.addr(), entries); err != nil {
		return o, err
	}
	conns, err := rig.DialSenders(r.server.addr(), senders)
	if err != nil {
		return o, err
	}
	defer conns.Close()

	// The garbage of the preparation is no part of the round.
	runtime.GC()
	var acked atomic.Int64
	work := rig.Work{
		Most:    r.most,
		Request: func(i int) ([]byte, error) { return requests[i], nil },
		Acked: func(i int, _ time.Time) {
			acked.Add(1)
			if r.acked != nil {
				r.acked(i)
			}
		},
	}

	// The round ends when the last message has arrived, and not with the last send.
	c, err := r.bench.startClock(r.server)
	if err != nil {
		return o, err
	}
	duration := time.Duration(r.length * float64(time.Second))
	if r.rate > 0 {
		work.Sent = func(i int, due time.Time) { listeners.due[i].Store(int64(due.Sub(listeners.epoch))) }
		err = conns.Paced(ctx, r.rate, duration, work)
	} else {
		err = conns.Saturate(duration, work)
	}
	if err == nil {
		err = listeners.await(ctx, acked.Load()*int64(r.members))
	}
	o.done = float64(acked.Load())
	var failed error
	o.spent, failed = c.stop()
	listeners.crowd.Close()
	o.p50, o.p99 = float64(listeners.times.ValueAtQuantile(50))/1000, float64(listeners.times.ValueAtQuantile(99))/1000
	return o, errors.Join(err, failed)
}

// prepare makes all requests of the round, and the entries of the users.
func (r round) prepare() (requests [][]byte, entries []entry, err error) {
	requests, entries = make([][]byte, r.most), make([]entry, r.online)
	err = rig.Parallel(runtime.NumCPU(), r.most, func(i int) (err error) {
		requests[i], err = r.server.send(i%r.channels, r.bench.texts.text(i))
		return err
	})
	for user := range entries {
		if err == nil {
			entries[user], err = r.server.entry(user)
		}
	}
	return requests, entries, err
}

// fill sends so many messages to each channel, one after the other, while no member is online.
func (b *bench) fill(ctx context.Context, s server, channels, messages int) error {
	r := round{bench: b, server: s, channels: channels, length: 60, most: channels * messages}
	o, err := r.run(ctx)
	if err == nil && int(o.done) != r.most {
		err = fmt.Errorf("only %.0f of %d messages were sent in a minute", o.done, r.most)
	}
	return err
}
