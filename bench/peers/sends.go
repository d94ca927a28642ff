//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/carillon-chat/carillon/bench/rig"
)

// sends measures channels of so many members, all of them online: sends at saturation, and then
// the time to the last receiver at half the rate that the reference peer reached, for all the same.
// mostPerSecond bounds how many sends are prepared.
func sends(members, mostPerSecond int, g goal) func(*bench, context.Context, string) error {
	return func(b *bench, ctx context.Context, name string) (err error) {
		members := min(members, b.sizes.users)
		channels := b.sizes.users / members
		s, err := b.raise(ctx, name, b.peers, even(channels, members))
		if err != nil {
			return err
		}
		defer s.lower()

		// As many sends as possible.
		job := round{
			bench: b, channels: channels, members: members, online: channels * members,
			length: b.seconds, most: int(b.seconds * float64(mostPerSecond)),
		}
		saturated, err := b.inTurns(ctx, s, func(s server) (outcome, error) { job.server = s; return job.run(ctx) })
		if err != nil {
			return err
		}
		work := fmt.Sprintf("%d × %d", channels, members)
		b.add(name, "sends, "+work, "/s", saturated, outcome.perSecond, g)
		if members > 1 {
			b.add(name, "deliveries", "/s", saturated, func(o outcome) float64 { return o.perSecond() * float64(members) }, goal{})
		}
		b.add(name, "server CPU of a send", "µs", saturated, outcome.cpu, goal{})

		// The same rate for all, whatever each can do at most. A peer that cannot do it has no latency.
		reference := b.peers[min(1, len(b.peers)-1)].name()
		job.rate = rig.Median(each(saturated[reference], outcome.perSecond)) / 2
		job.most = int(job.rate * job.length)
		s.drop(func(peer string) bool { return rig.Median(each(saturated[peer], outcome.perSecond)) < job.rate })
		paced, err := b.inTurns(ctx, s, func(s server) (outcome, error) { job.server = s; return job.run(ctx) })
		if err != nil {
			return fmt.Errorf("at %.0f sends/s: %w", job.rate, err)
		}
		at := fmt.Sprintf("send to last receiver at %s sends/s, ", short(job.rate))
		b.add(name, at+"p50", "ms", paced, func(o outcome) float64 { return o.p50 }, moreByAtMost(0.3, "ms"))
		b.add(name, at+"p99", "ms", paced, func(o outcome) float64 { return o.p99 }, ratioAtMost(1))
		return nil
	}
}

// each takes one figure of every outcome.
func each(outcomes []outcome, figure func(outcome) float64) (figures []float64) {
	for _, o := range outcomes {
		figures = append(figures, figure(o))
	}
	return figures
}
