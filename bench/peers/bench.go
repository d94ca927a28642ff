//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

// bench is one run.
type bench struct {
	dir        string // temporary
	carillon   carillon
	peers      []peer // carillon, and those that it is compared with
	serverCPUs []int
	loadCPUs   []int
	sizes      sizes
	seconds    float64 // of a round
	rounds     int
	tries      int // of a round that is disturbed
	texts      texts
	profile    string // folder for profiles of Carillon, or empty
	profiles   int    // that were taken
	rows       []row
}

// sizes are how much is measured.
type sizes struct {
	users   int // of the shapes of sends
	readers int // of history
	idle    int // connections of connect
	joiners int // users of join
	acked   int // sends that are acknowledged before kill
	elastic int // users of elastic
}

var (
	full  = sizes{users: 1000, readers: 50, idle: 10_000, joiners: 10, acked: 5000, elastic: 200_001}
	small = sizes{users: 20, readers: 4, idle: 40, joiners: 2, acked: 200, elastic: 2001}
)

// shape is a kind of work.
type shape struct {
	name string
	run  func(*bench, context.Context, string) error
}

// shapes in the order in which they run.
var shapes = []shape{
	{"sends-1", sends(1, 30_000, ratioAtLeast(1))},
	{"sends-10", sends(10, 15_000, ratioAtLeast(1.2))},
	{"sends-100", sends(100, 6_000, ratioAtLeast(3))},
	{"sends-1000", sends(1000, 2_500, ratioAtLeast(5))},
	{"history", (*bench).history},
	{"join", (*bench).join},
	{"connect", (*bench).connect},
	{"kill", (*bench).killed},
	{"one-core", (*bench).oneCore},
	{"two-cores", (*bench).twoCores},
	{"elastic", (*bench).elastic},
}

// stage are the servers of a shape, of every peer one.
type stage struct {
	name    string
	peers   []peer
	servers []server
	dropped []server // run, and are measured no more
}

// raise starts the peers, each over a folder of its own, and creates the channels.
func (b *bench) raise(ctx context.Context, name string, peers []peer, channels [][]int) (s *stage, err error) {
	s = &stage{name: name, peers: peers}
	for i, p := range peers {
		var started server
		err := rig.On(b.serverCPUs, func() (err error) {
			started, err = p.start(ctx, filepath.Join(b.dir, fmt.Sprintf("%s-%d", name, i)))
			return err
		})
		if err == nil {
			s.servers = append(s.servers, started)
			err = started.populate(ctx, channels)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", p.name(), err), s.lower())
		}
	}
	return s, nil
}

// lower stops the servers.
func (s *stage) lower() (err error) {
	for _, running := range slices.Concat(s.servers, s.dropped) {
		err = errors.Join(err, running.stop())
	}
	return err
}

// drop leaves out the peers that a name is of.
func (s *stage) drop(out func(name string) bool) {
	for i := len(s.peers) - 1; i >= 0; i-- {
		if out(s.peers[i].name()) {
			s.dropped = append(s.dropped, s.servers[i])
			s.peers, s.servers = slices.Delete(slices.Clone(s.peers), i, i+1), slices.Delete(s.servers, i, i+1)
		}
	}
}

// inTurns measures every server once in each round, none always first.
func (b *bench) inTurns(ctx context.Context, s *stage, measure func(server) (outcome, error)) (map[string][]outcome, error) {
	outcomes := map[string][]outcome{}
	for n := range b.rounds {
		for i := range s.servers {
			which := (i + n) % len(s.servers)
			if err := s.rest(ctx); err != nil {
				return nil, err
			}
			o, err := b.calmly(func() (outcome, error) { return measure(s.servers[which]) })
			name := s.peers[which].name()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			outcomes[name] = append(outcomes[name], o)
		}
	}
	return outcomes, b.profiled(ctx, s, measure)
}

// profiled measures the nodes of Carillon once more under the profiler, when profiles are wanted.
func (b *bench) profiled(ctx context.Context, s *stage, measure func(server) (outcome, error)) error {
	if b.profile == "" {
		return nil
	}
	for i, running := range s.servers {
		node, is := running.(*carillonServer)
		if !is {
			continue
		}
		b.profiles++
		file := filepath.Join(b.profile, fmt.Sprintf("%02d-%s-%s.pprof", b.profiles, s.name, strings.ReplaceAll(s.peers[i].name(), " ", "-")))
		taken := make(chan error, 1)
		go func() { taken <- node.profile(ctx, file, b.seconds) }()
		_, err := measure(node)
		if err := errors.Join(err, <-taken); err != nil {
			return err
		}
	}
	return nil
}

// calmly measures again while other processes disturb, and takes the outcome of the least disturbance.
func (b *bench) calmly(measure func() (outcome, error)) (best outcome, err error) {
	for try := range b.tries {
		o, err := measure()
		if err != nil {
			return o, err
		}
		if try == 0 || o.foreign() < best.foreign() {
			best = o
		}
		if best.foreign() <= disturbance {
			break
		}
	}
	return best, nil
}

const (
	restTime = 5 * time.Second // longest that servers get to finish what a round left to do
	restStep = 100 * time.Millisecond
	restful  = 0.1 // of a processor
)

// rest waits until no server works, so that none pays for what another has put off.
func (s *stage) rest(ctx context.Context) error {
	for waited := time.Duration(0); waited < restTime; waited += restStep {
		before, err := s.usage()
		if err != nil {
			return err
		}
		select {
		case <-time.After(restStep):
		case <-ctx.Done():
			return ctx.Err()
		}
		after, err := s.usage()
		if err != nil || (after-before).Seconds() < restful*restStep.Seconds() {
			return err
		}
	}
	return nil
}

func (s *stage) usage() (used time.Duration, err error) {
	for _, running := range s.servers {
		one, failed := usage(running)
		used, err = used+one, errors.Join(err, failed)
	}
	return used, err
}

// even are so many channels of so many members each, with no user in two.
func even(channels, members int) [][]int {
	all := make([][]int, channels)
	for i := range all {
		for n := range members {
			all[i] = append(all[i], i*members+n)
		}
	}
	return all
}

// add makes a row of one figure of every outcome.
func (b *bench) add(shape, name, unit string, outcomes map[string][]outcome, figure func(outcome) float64, g goal) {
	r := row{shape: shape, name: name, unit: unit, rounds: map[string][]float64{}, marks: map[string]string{}, goal: g}
	for peer, list := range outcomes {
		r.rounds[peer] = each(list, figure)
		if unit == "/s" && most(list, b.limited) {
			r.marks[peer] = limitedMark
		}
		if most(list, func(o outcome) bool { return o.foreign() > disturbance }) {
			r.marks[peer] += disturbedMark
		}
		if unit == "/s" {
			fmt.Fprintf(os.Stderr, "%s, %s: %s kept %.2f processors busy, the load %.2f, other processes %.0f %% of all\n", shape, name, peer,
				rig.Median(each(list, outcome.busy)), rig.Median(each(list, outcome.loaded)), 100*rig.Median(each(list, outcome.foreign)))
		}
	}
	b.rows = append(b.rows, r)
}

// disturbance is the share of the processors from which a round is called disturbed.
const disturbance = 0.1

// limited reports whether the load had no more to give while the server had.
func (b *bench) limited(o outcome) bool {
	return o.loaded() > 0.93*float64(len(b.loadCPUs)) && o.busy() < 0.9*float64(len(b.serverCPUs))
}

// most reports whether more than half of the outcomes are such.
func most(outcomes []outcome, such func(outcome) bool) bool {
	n := 0
	for _, o := range outcomes {
		if such(o) {
			n++
		}
	}
	return 2*n > len(outcomes)
}

// chosen are the shapes of the names, or whose names begin with one of the words; no words are all.
func chosen(words string) (list []shape, err error) {
	for word := range strings.SplitSeq(words, ",") {
		exact := slices.ContainsFunc(shapes, func(s shape) bool { return s.name == word })
		found := false
		for _, s := range shapes {
			if s.name == word || !exact && strings.HasPrefix(s.name, word) {
				list, found = append(list, s), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no shape %q", word)
		}
	}
	return list, nil
}
