//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
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
	server server
	start  time.Time
	used   time.Duration // by the server before
	own    time.Duration // by this process before
}

// spent is what a round took.
type spent struct {
	seconds      float64
	server, load time.Duration // CPU
}

func startClock(s server) (c clock, err error) {
	if c.used, err = usage(s); err != nil {
		return c, err
	}
	c.server, c.own, c.start = s, ownUsage(), time.Now()
	return c, nil
}

func (c clock) stop() (spent, error) {
	seconds, own := time.Since(c.start).Seconds(), ownUsage()-c.own
	used, err := usage(c.server)
	return spent{seconds, used - c.used, own}, err
}

// ownUsage is the CPU time of this process.
func ownUsage() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for this process
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// round is one measurement of sends to channels whose members are all online.
type round struct {
	server   server
	channels int // the first so many of the server's
	online   int // users that are connected, from the first
	members  int // of each channel that are online
	seconds  float64
	rate     float64 // sends a second; 0 is as many as possible
	most     int     // sends
	texts    texts
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
	c, err := startClock(r.server)
	if err != nil {
		return o, err
	}
	duration := time.Duration(r.seconds * float64(time.Second))
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
		requests[i], err = r.server.send(i%r.channels, r.texts.text(i))
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
func fill(ctx context.Context, s server, channels, messages int, t texts) error {
	r := round{server: s, channels: channels, seconds: 60, most: channels * messages, texts: t}
	o, err := r.run(ctx)
	if err == nil && int(o.done) != r.most {
		err = fmt.Errorf("only %.0f of %d messages were sent in a minute", o.done, r.most)
	}
	return err
}
