//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

// idleMembers is how many members the channels of idle connections have.
const idleMembers = 100

// idleTime is how long connections do nothing while what they cost is measured.
const idleTime = 2 * time.Second

// connect measures authenticated connections that are opened as fast as they can be and then idle,
// each round on a server that was just started: memory that was given back once is not counted again.
func (b *bench) connect(ctx context.Context, name string) error {
	channels := even(max(1, b.sizes.idle/idleMembers), min(idleMembers, b.sizes.idle))
	outcomes := map[string][]outcome{}
	for n := range b.rounds {
		for i := range b.peers {
			p := b.peers[(i+n)%len(b.peers)]
			o, err := b.connectAll(ctx, fmt.Sprintf("%s-%d-%d", name, n, i), p, channels)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name(), err)
			}
			outcomes[p.name()] = append(outcomes[p.name()], o)
		}
	}

	of := short(float64(b.sizes.idle))
	b.add(name, "connections, "+of+" from none", "/s", outcomes, outcome.perSecond, ratioAtLeast(1.5))
	b.add(name, "server CPU of a connection", "µs", outcomes, outcome.cpu, goal{})
	b.add(name, "memory of an idle connection, without the kernel's", "KiB", outcomes,
		func(o outcome) float64 { return o.bytes / o.done / 1024 }, ratioAtMost(1.0/7))
	b.add(name, "CPU of "+of+" idle connections", "% of a core", outcomes, func(o outcome) float64 { return 100 * o.idle }, goal{})
	return nil
}

// connectAll starts a server and connects all users to it.
func (b *bench) connectAll(ctx context.Context, name string, p peer, channels [][]int) (o outcome, err error) {
	s, err := b.raise(ctx, name, []peer{p}, channels)
	if err != nil {
		return o, err
	}
	defer s.lower()

	// What the creation of the channels left in memory is not there after a new start.
	running := s.servers[0]
	err = running.stop()
	if err == nil {
		err = rig.On(b.serverCPUs, func() error { return running.again(ctx) })
	}
	if err != nil {
		return o, err
	}
	entries := make([]entry, b.sizes.idle)
	for user := range entries {
		if entries[user], err = running.entry(user); err != nil {
			return o, err
		}
	}
	listeners, err := newAudience(0, 0)
	if err != nil {
		return o, err
	}
	defer listeners.crowd.Close()
	runtime.GC()
	before, err := footprint(running)
	if err != nil {
		return o, err
	}

	// Connected is a user that has got the first text.
	c, err := b.startClock(running)
	if err != nil {
		return o, err
	}
	if err := listeners.gather(running.addr(), entries); err != nil {
		return o, err
	}
	o.done = float64(len(entries))
	if o.spent, err = c.stop(); err != nil {
		return o, err
	}

	// Then they are idle.
	if err := s.rest(ctx); err != nil {
		return o, err
	}
	if c, err = b.startClock(running); err != nil {
		return o, err
	}
	select {
	case <-time.After(idleTime):
	case <-ctx.Done():
		return o, ctx.Err()
	}
	idle, err := c.stop()
	if err != nil {
		return o, err
	}
	o.idle = idle.server.Seconds() / idle.seconds
	after, err := footprint(running)
	o.bytes = after - before
	return o, errors.Join(err, listeners.await(ctx, 0))
}
