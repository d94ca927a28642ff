//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/carillon-chat/carillon/bench/rig"
)

// oneCore compares the program as it starts on one processor with one that is given two Ps.
func (b *bench) oneCore(ctx context.Context, name string) error {
	wrapper := filepath.Join(b.dir, "two-ps")
	script := fmt.Sprintf("#!/bin/sh\nGOMAXPROCS=2 exec '%s' \"$@\"\n", b.carillon.program)
	if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
		return err
	}
	own, other := carillon{label: "GOMAXPROCS unset", program: b.carillon.program}, carillon{label: "GOMAXPROCS=2", program: wrapper}
	return b.compare(ctx, name, own, other, func(r comparison) {
		b.addItself(name, "sends, "+r.work+", one processor", "/s", r, outcome.perSecond, ratioAtLeast(0.9))
	})
}

// twoCores compares the program on two processors with the same on one. The load stays where it is, be
// it on one of the two.
func (b *bench) twoCores(ctx context.Context, name string) error {
	two := []int{b.serverCPUs[0], b.loadCPUs[0]}
	if len(b.serverCPUs) > 1 {
		two = b.serverCPUs[:2]
	}
	slices.Sort(two)
	own := placed{b.carillon, fmt.Sprintf("processors %v", two), two}
	other := placed{b.carillon, fmt.Sprintf("processors %v", two[:1]), two[:1]}
	return b.compare(ctx, name, own, other, func(r comparison) {
		b.addItself(name, "sends, "+r.work, "/s", r, outcome.perSecond, goal{})
		b.addItself(name, "server CPU of a send, "+r.work, "µs", r, outcome.cpu, ratioAtMost(1.1))
	})
}

// placed is a peer on processors of its own.
type placed struct {
	peer
	label      string
	processors []int
}

func (p placed) name() string { return p.label }

func (p placed) start(ctx context.Context, dir string) (s server, err error) {
	err = rig.On(p.processors, func() (err error) {
		s, err = p.peer.start(ctx, dir)
		return err
	})
	return s, err
}

// comparison is one shape of sends of a peer and of another form of it.
type comparison struct {
	work       string
	own, other string
	outcomes   map[string][]outcome
}

// compare saturates two forms of the program with small and with large channels.
func (b *bench) compare(ctx context.Context, name string, own, other peer, add func(comparison)) error {
	for _, c := range []struct{ members, mostPerSecond int }{{1, 30_000}, {100, 8_000}} {
		members := min(c.members, b.sizes.users)
		channels := b.sizes.users / members
		s, err := b.raise(ctx, fmt.Sprintf("%s-%d", name, c.members), []peer{own, other}, even(channels, members))
		if err != nil {
			return err
		}
		job := round{
			bench: b, channels: channels, members: members, online: channels * members,
			length: b.seconds, most: int(b.seconds * float64(c.mostPerSecond)),
		}
		outcomes, err := b.inTurns(ctx, s, func(s server) (outcome, error) { job.server = s; return job.run(ctx) })
		if err != nil {
			_ = s.lower()
			return err
		}
		if err := s.lower(); err != nil {
			return err
		}
		add(comparison{fmt.Sprintf("%d × %d", channels, members), own.name(), other.name(), outcomes})
	}
	return nil
}

// addItself makes a row that compares two forms of the program.
func (b *bench) addItself(shape, name, unit string, r comparison, figure func(outcome) float64, g goal) {
	b.add(shape, name, unit, r.outcomes, figure, g)
	b.rows[len(b.rows)-1].itself = [2]string{r.own, r.other}
}
