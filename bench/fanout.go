//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/carillon-chat/carillon/bench/rig"
)

// deliver saturates channels of two sizes.
func (b *bench) deliver(ctx context.Context) error {
	for _, c := range []struct {
		members int
		least   float64
	}{{b.sizes.channel, 3}, {b.sizes.large, 20}} {
		if err := b.saturated(ctx, c.members, c.least); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) saturated(ctx context.Context, members int, least float64) error {
	name := fmt.Sprintf("deliver-%d", members)
	// A saturated machine may let readers wait; how that ends is for the part slow to show.
	s, err := b.stage(ctx, name, members, "--ws-queue-bytes", "8MiB")
	if err != nil {
		return err
	}
	defer s.Stop()

	job := s.job(b.seconds, members, 20_000)
	var frames, raw, cpu, sends []float64

	// The load and its reference take turns, since a machine is never twice the same.
	for range b.rounds {
		measured, err := ask[loadResult](ctx, "load", job)
		if err != nil {
			return err
		}
		b.size = measured.Size
		compared, err := b.push(ctx, members, 0)
		if err != nil {
			return err
		}
		frames, raw = append(frames, measured.framesPerSecond()), append(raw, compared.framesPerSecond())
		cpu = append(cpu, measured.cpuPerFrame())
		sends = append(sends, measured.sendsPerSecond())
	}

	b.pushed[members] = rig.Median(raw)
	of := fmt.Sprintf("%d members, saturated", members)
	b.add(figure("deliver", "deliveries, "+of, "/s", frames).
		against(fmt.Sprintf("write(2) of the same %d bytes to each of %d sockets", b.size, members), raw).aims(ratioAtLeast(least)),
		figure("deliver", "sends, "+of, "/s", sends),
		figure("deliver", "server CPU of a delivery, sends included, "+of, "us", cpu))
	return b.profiled(ctx, s, name, job)
}

// push runs the reference of push.
func (b *bench) push(ctx context.Context, sockets int, rate float64) (loadResult, error) {
	return ask[loadResult](ctx, "push", pushJob{Sockets: sockets, Size: b.size, Seconds: b.seconds, Rate: rate, Dir: b.dir})
}

// pushRate is how many frames a second the reference pushes at its best, to so many sockets.
func (b *bench) pushRate(ctx context.Context, s scene, sockets int) (float64, error) {
	if b.pushed[sockets] == 0 { // the part that measures it was left out
		sized, err := ask[loadResult](ctx, "load", s.job(0.2, sockets, 1000))
		if err != nil {
			return 0, err
		}
		b.size = sized.Size
		raw, err := b.push(ctx, sockets, 0)
		if err != nil {
			return 0, err
		}
		b.pushed[sockets] = raw.framesPerSecond()
	}
	return b.pushed[sockets], nil
}

func (b *bench) latency(ctx context.Context) error {
	members := b.sizes.channel
	s, err := b.stage(ctx, "latency", members)
	if err != nil {
		return err
	}
	defer s.Stop()

	// Half of what plain writes can do, and not of what the node can: a faster node gets no more to do.
	most, err := b.pushRate(ctx, s, members)
	if err != nil {
		return err
	}
	rate := most / 2 / float64(members)
	job := s.job(b.seconds, members, int(rate)+1)
	job.Rate = rate

	var p50, p99, raw50, raw99 []float64
	for range b.rounds {
		measured, err := ask[loadResult](ctx, "load", job)
		if err != nil {
			return err
		}
		compared, err := b.push(ctx, members, rate)
		if err != nil {
			return err
		}
		p50, p99 = append(p50, measured.P50/1000), append(p99, measured.P99/1000)
		raw50, raw99 = append(raw50, compared.P50/1000), append(raw99, compared.P99/1000)
	}

	at := fmt.Sprintf("%.0f sends/s to %d", rate, members)
	const raw = "one thread: grouped fdatasync, then write(2) to each"
	b.add(figure("latency", "send to receive p50 at half of raw", "ms", p50).against(raw+", "+at, raw50).aims(valueAtMost(1)),
		figure("latency", "send to receive p99 at half of raw", "ms", p99).against(raw+", "+at, raw99).aims(valueAtMost(3.5)))
	return b.profiled(ctx, s, "latency", job)
}

// broadcast sends one message at a time to a channel whose members are all online: nothing can
// be joined into one write.
func (b *bench) broadcast(ctx context.Context) error {
	members := b.sizes.broadcast
	s, err := b.stage(ctx, "broadcast", members)
	if err != nil {
		return err
	}
	defer s.Stop()

	job := s.job(b.seconds, members, 1000)
	job.Single = true

	// The reference pushes frames of the size that the node just sent.
	var frames, raw, cpu []float64
	for range b.rounds {
		measured, err := ask[loadResult](ctx, "load", job)
		if err != nil {
			return err
		}
		compared, err := ask[loadResult](ctx, "push", pushJob{
			Sockets: members, Size: measured.Size, Seconds: b.seconds, Single: true, Dir: b.dir,
		})
		if err != nil {
			return err
		}
		frames, raw = append(frames, measured.framesPerSecond()), append(raw, compared.framesPerSecond())
		cpu = append(cpu, measured.cpuPerFrame())
		b.size = measured.Size
	}

	b.add(figure("broadcast", fmt.Sprintf("deliveries, %d members, one message at a time", members), "/s", frames).
		against(fmt.Sprintf("write(2) of the same %d bytes to each of %d sockets", b.size, members), raw).aims(ratioAtLeast(0.9)),
		figure("broadcast", "server CPU of a delivery", "us", cpu))
	return b.profiled(ctx, s, "broadcast", job)
}
