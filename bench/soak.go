//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	soakChurn   = 10 // sockets that are opened again, each second
	soakSamples = 120
	soakGrowth  = 1.05
	smallGrowth = 30 // of a soak so short that no cache is warm
)

// soak sends at half of what is possible for a long time, while some sockets come and go. What
// the node holds at the end must not be more than a little above what it held when it was warm.
func (b *bench) soak(ctx context.Context) error {
	if b.soaking == 0 {
		return nil
	}
	members := b.sizes.channel
	// At this rate the default holds a tenth of a second, and in half an hour a machine with other
	// work stalls the reading process for longer.
	s, err := b.stage(ctx, "soak", members, "--ws-queue-bytes", "8MiB")
	if err != nil {
		return err
	}
	defer s.Stop()
	most, err := ask[loadResult](ctx, "load", s.job(b.seconds, members, 20_000))
	if err != nil {
		return err
	}
	job := s.job(b.soaking.Seconds(), members, 0)
	job.Rate, job.Fresh, job.Unsteady, job.Churn = most.sendsPerSecond()/2, true, max(1, members/10), soakChurn
	job.Stock = int(job.Rate * job.Seconds)
	samples, result, err := soaked(ctx, s, job, b.soaking/soakSamples)
	if err != nil {
		return err
	}
	return b.judge(samples, result, job)
}

// sample is what the node holds at a moment.
type sample struct{ user, resident, goroutines, files float64 }

// soaked takes samples while the job runs.
func soaked(ctx context.Context, s scene, job loadJob, every time.Duration) (samples []sample, result loadResult, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		result, err = ask[loadResult](ctx, "load", job)
		done <- err
	}()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return samples, result, err
		case <-tick.C:
		}
		one, failed := s.sample(ctx)
		if failed != nil {
			return nil, result, errors.Join(failed, <-done)
		}
		samples = append(samples, one)
	}
}

func (n *node) sample(ctx context.Context) (s sample, err error) {
	m, err := n.memory(ctx)
	if err != nil {
		return s, err
	}
	s.user, s.resident = m.user, m.resident
	text, err := n.get(ctx, "/metrics")
	if err != nil {
		return s, err
	}
	if s.goroutines, err = metric(string(text), "go_goroutines"); err != nil {
		return s, err
	}
	s.files, err = metric(string(text), "process_open_fds")
	return s, err
}

// windows are the samples after the first tenth of the time, and those of the last tenth.
func windows(samples []sample) (warm, last []sample) {
	tenth := len(samples) / 10
	if tenth == 0 {
		return nil, nil
	}
	return samples[tenth : 2*tenth], samples[len(samples)-tenth:]
}

// least is the least of the samples: what is under way comes and goes, and what leaks does not.
func least(samples []sample, of func(sample) float64) float64 {
	return slices.Min(series(samples, of))
}

func series(samples []sample, of func(sample) float64) (values []float64) {
	for _, s := range samples {
		values = append(values, of(s))
	}
	return values
}

// judge adds the figures and fails when any grew.
func (b *bench) judge(samples []sample, result loadResult, job loadJob) error {
	warm, last := windows(samples)
	if warm == nil {
		return fmt.Errorf("%d samples are too few", len(samples))
	}

	// The least of each window is compared: a moment's work is not growth.
	var grown []string
	for _, held := range []struct {
		name, unit string
		of         func(sample) float64
	}{
		{"heap and stacks at the end", "MB", func(s sample) float64 { return s.user / 1e6 }},
		{"resident at the end", "MB", func(s sample) float64 { return s.resident / 1e6 }},
		{"goroutines at the end", "", func(s sample) float64 { return s.goroutines }},
		{"open files at the end", "", func(s sample) float64 { return s.files }},
	} {
		r := figure("soak", held.name, held.unit, []float64{least(last, held.of)}).
			against("after a tenth of the time", []float64{least(warm, held.of)}).aims(ratioAtMost(b.growth))
		r.Rounds = series(samples, held.of) // how it went
		if b.add(r); !r.Target.Met {
			grown = append(grown, held.name)
		}
	}

	of := fmt.Sprintf("%s at %.0f sends/s to %d", b.soaking, job.Rate, len(job.Members))
	b.add(figure("soak", "send to receive p99, "+of, "ms", []float64{result.P99 / 1000}),
		figure("soak", "sockets opened again", "", []float64{result.Returned}))
	if len(grown) > 0 {
		b.failed = append(b.failed, fmt.Errorf("soak: more than %.2f times of what there was after a tenth of the time: %v", b.growth, grown))
	}
	return nil
}

// untilEnd is a context that ends with the input.
func untilEnd(ctx context.Context, in io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	return ctx
}
