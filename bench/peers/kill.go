//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

const (
	killChannels = 20
	killMembers  = 5
	killStock    = 4 // as many sends are prepared as are acknowledged before the kill, times this
)

// killed kills servers with many sends in flight, starts them again, and looks for what was
// acknowledged.
func (b *bench) killed(ctx context.Context, name string) error {
	outcomes := map[string][]loss{}
	for n := range b.rounds {
		for i, p := range b.peers {
			l, err := b.killOne(ctx, fmt.Sprintf("%s-%d-%d", name, n, i), p)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name(), err)
			}
			outcomes[p.name()] = append(outcomes[p.name()], l)
		}
	}

	// Losses are summed: a median would hide one.
	of := func(unit, what string, figure func(loss) float64, sum bool, g goal) {
		r := row{shape: name, name: what, unit: unit, rounds: map[string][]float64{}, goal: g}
		for peer, losses := range outcomes {
			total := 0.0
			for _, l := range losses {
				total += figure(l)
				r.rounds[peer] = append(r.rounds[peer], figure(l))
			}
			if sum {
				r.rounds[peer] = []float64{total}
			}
		}
		b.rows = append(b.rows, r)
	}
	of("", "acknowledged", func(l loss) float64 { return l.acked }, true, goal{})
	of("", "of these lost", func(l loss) float64 { return l.lost }, true, atMost(0))
	of("", "stored twice", func(l loss) float64 { return l.doubled }, true, atMost(0))
	of("s", "from the start to the first answer", func(l loss) float64 { return l.restart }, false, goal{})
	return nil
}

// loss is what a kill cost.
type loss struct{ acked, lost, doubled, restart float64 }

func (b *bench) killOne(ctx context.Context, name string, p peer) (l loss, err error) {
	s, err := b.raise(ctx, name, []peer{p}, even(killChannels, killMembers))
	if err != nil {
		return l, err
	}
	defer s.lower()
	running := s.servers[0]

	// The kill comes when so many sends were acknowledged, while others are under way.
	var mu sync.Mutex
	acked := map[string]bool{}
	enough := make(chan struct{})
	r := round{bench: b, server: running, channels: killChannels, length: 60, most: killStock * b.sizes.acked}
	r.acked = func(i int) {
		mu.Lock()
		defer mu.Unlock()
		if acked[b.texts.text(i)] = true; len(acked) == b.sizes.acked {
			close(enough)
		}
	}
	ended := make(chan struct{})
	var ending error // of the round: that its connections have ended
	go func() {
		defer close(ended)
		_, ending = r.run(ctx)
	}()
	select {
	case <-enough:
	case <-ended:
	}
	if err := running.kill(); err != nil {
		return l, err
	}
	<-ended
	if len(acked) < b.sizes.acked {
		return l, errors.Join(errors.New("the sends ended before the kill"), ending)
	}

	start := time.Now()
	if err := rig.On(b.serverCPUs, func() error { return running.again(ctx) }); err != nil {
		return l, err
	}
	l.restart = time.Since(start).Seconds()
	found := map[string]int{}
	for channel := range killChannels {
		texts, err := running.texts(ctx, channel)
		if err != nil {
			return l, err
		}
		for _, text := range texts {
			found[text]++
		}
	}
	l.acked = float64(len(acked))
	for text := range acked {
		if found[text] == 0 {
			l.lost++
		}
	}
	for _, times := range found {
		l.doubled += math.Max(0, float64(times-1))
	}
	return l, nil
}
