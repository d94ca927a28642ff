//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// stoppedShare is how many readers there are for each that stops.
const stoppedShare = 10

// A reader that stops is closed after some hundred messages, and has to be so in a round. So these
// rounds are longer than others, by slowRounds, and as long as slowMessages take, within limits.
const (
	slowRounds   = 3
	slowMessages = 1500
	slowSeconds  = 30 // at most
)

// slow compares the latency of readers with that of the same readers while others stop. The stopped
// come back as soon as they are closed, and stop again, so that they are there all the time.
func (b *bench) slow(ctx context.Context) error {
	s, err := b.stage(ctx, "slow", b.sizes.slow)
	if err != nil {
		return err
	}
	defer s.Stop()
	without, with, err := b.slowJobs(ctx, s)
	if err != nil {
		return err
	}

	// Rounds with and without stopped readers take turns.
	var others, compared, back []float64
	for round := range b.rounds {
		for i := range 2 {
			stopped := (i+round)%2 == 1 // neither is always the first
			job := without
			if stopped {
				job = with
			}
			result, err := ask[loadResult](ctx, "load", job)
			if err != nil {
				return err
			}
			if !stopped {
				compared = append(compared, result.P99/1000)
				continue
			}
			others, back = append(others, result.P99/1000), append(back, result.Returned)
		}
	}

	of := fmt.Sprintf("%d of %d readers stopped, %.0f sends/s", with.Unsteady, b.sizes.slow, with.Rate)
	b.add(figure("slow", "send to receive p99 of the others, "+of, "ms", others).
		against("the same without the stopped", compared).aims(ratioAtMost(1.1)),
		figure("slow", "stopped readers that were closed and came back in a round", "", back))
	if err := b.slowMemory(ctx, s, without, with); err != nil {
		return err
	}
	return b.slowCodes(ctx, s)
}

// slowJobs are the round without stopped readers and that with them. Both have the same steady
// readers.
func (b *bench) slowJobs(ctx context.Context, s scene) (without, with loadJob, err error) {
	most, err := b.pushRate(ctx, s, b.sizes.slow)
	if err != nil {
		return without, with, err
	}
	rate := most / 4 / float64(b.sizes.slow)
	seconds := min(max(b.seconds*slowRounds, slowMessages/rate), slowSeconds)
	stopped := b.sizes.slow / stoppedShare
	without = s.job(seconds, b.sizes.slow-stopped, int(rate)+1)
	without.Rate = rate
	with = s.job(seconds, b.sizes.slow, int(rate)+1)
	with.Rate, with.Unsteady, with.Stopped = rate, stopped, true
	return without, with, nil
}

// slowMemory measures what the node holds for sessions when readers stop: the most with them above
// the most without, in rounds of their own, because looking costs time.
func (b *bench) slowMemory(ctx context.Context, s scene, without, with loadJob) error {

	var most [2]float64
	for i, job := range []loadJob{without, with} {
		done, end := context.WithCancel(ctx)
		failed := make(chan error, 1)
		go func() {
			_, err := ask[loadResult](ctx, "load", job)
			failed <- err
			end()
		}()

		// Samples of the heap until the round ends.
		for done.Err() == nil {
			held, err := s.sessionBytes(ctx)
			if err != nil {
				end()
				return errors.Join(err, <-failed)
			}
			most[i] = max(most[i], held)
			select {
			case <-time.After(50 * time.Millisecond):
			case <-done.Done():
			}
		}
		end()
		if err := <-failed; err != nil {
			return err
		}
	}

	b.add(figure("slow", "heap for sessions, added by a stopped reader, at most", "KB", []float64{
		max(0, most[1]-most[0]) / float64(with.Unsteady) / 1000,
	}).aims(valueAtMost(queueBytes / 1000)))
	return nil
}

// queueBytes is the default of ws-queue-bytes.
const queueBytes = 256 << 10

// slowCodes adds how the node closed sockets. Those that ended otherwise were open at the end of
// a round, when all are left.
func (b *bench) slowCodes(ctx context.Context, s scene) error {
	text, err := s.get(ctx, "/metrics")
	if err != nil {
		return err
	}

	// Every cause and code has a line of its own in the metrics.
	named, other := 0.0, 0.0
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		labels, found := strings.CutPrefix(lines.Text(), "carillon_sockets_closed_total")
		if !found {
			continue
		}
		count, err := metric(lines.Text(), strings.TrimSpace(lines.Text()[:strings.LastIndexByte(lines.Text(), ' ')]))
		switch {
		case err != nil:
			return err
		case strings.Contains(labels, `cause="hub"`) && strings.Contains(labels, `code="1011"`):
			named += count
		case !strings.Contains(labels, `cause="lost"`) && !strings.Contains(labels, `cause="client"`):
			other += count
		}
	}

	if named+other == 0 {
		return errors.New("no reader was closed for being slow")
	}
	b.add(figure("slow", "of the readers that the node closed, those with 1011", "%", []float64{100 * named / (named + other)}).
		aims(valueAtLeast(100)))
	return nil
}
