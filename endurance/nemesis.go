package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/endurance/faultnet"
	"github.com/carillon-chat/carillon/internal/lab"
)

// victim is a node that is killed, stopped and frozen, and comes back where it was.
type victim struct {
	program, data, listen, host string   // host is where clients reach it
	args                        []string // more of the node
	out                         io.Writer

	mu   sync.Mutex // held while the node is not as it should be
	node *lab.Process
	odd  []string
}

// start starts the node. It outlives ctx: the checks need it, and end ends it.
func (v *victim) start(ctx context.Context) (err error) {
	args := append([]string{"--listen", v.listen, "--ops-listen", "", "--public-host", v.host}, v.args...)
	v.node, err = lab.Launch(context.WithoutCancel(ctx), v.program, v.data, args...)
	return err
}

// end ends the node and looks at what it said.
func (v *victim) end(how func(*lab.Process) error) error {
	select {
	case <-v.node.Ended():
		v.odd = append(v.odd, "the node exited unexpectedly")
	default:
	}
	err := how(v.node)
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:", "level=ERROR"} {
		if text := v.node.Stderr.String(); strings.Contains(text, bad) {
			v.odd = append(v.odd, fmt.Sprintf("the node said %q:\n%s", bad, text[:min(len(text), 8000)]))
			break
		}
	}
	return err
}

// restart ends the node, leaves it down for a while and starts it.
func (v *victim) restart(ctx context.Context, how func(*lab.Process) error, down time.Duration) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.end(how); err != nil {
		return err
	}
	rest(ctx, down)
	return v.start(ctx)
}

// freeze stops the node's process and lets it go on.
func (v *victim) freeze(ctx context.Context, d time.Duration) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.node.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	rest(ctx, d)
	return v.node.Signal(syscall.SIGCONT)
}

// nemesis makes faults at random, those of the server and those of the network at the same time.
type nemesis struct {
	victim *victim
	proxy  *faultnet.Proxy
	mirror *faultnet.Mirror // nil: packets are left alone
	freeze [2]time.Duration // shortest and longest
	late   time.Duration    // longer than any client waits for a connection

	mu      sync.Mutex
	counts  map[string]int
	journal []string
}

func (n *nemesis) note(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts[name]++
	n.journal = append(n.journal, time.Now().Format(clockForm)+" "+name)
}

// fault is one kind of trouble. Its weight says how often it comes.
type fault struct {
	name   string
	weight int
	make   func(ctx context.Context, random *rand.Rand) error
}

func (n *nemesis) serverFaults() []fault {
	kill := func(ctx context.Context, random *rand.Rand) error {
		return n.victim.restart(ctx, (*lab.Process).Kill, between(random, 0, 2*time.Second))
	}
	return []fault{
		{"kill", 5, kill},
		{"kill twice", 1, func(ctx context.Context, random *rand.Rand) error {
			if err := kill(ctx, random); err != nil {
				return err
			}
			rest(ctx, between(random, 0, 300*time.Millisecond))
			return kill(ctx, random)
		}},
		{"stop", 2, func(ctx context.Context, random *rand.Rand) error {
			return n.victim.restart(ctx, (*lab.Process).Stop, between(random, 0, time.Second))
		}},
		{"freeze", 3, func(ctx context.Context, random *rand.Rand) error {
			return n.victim.freeze(ctx, between(random, n.freeze[0], n.freeze[1]))
		}},
	}
}

func (n *nemesis) networkFaults() []fault {
	links := func(name string, weight int, f func(*faultnet.Link)) fault {
		return fault{name, weight, func(_ context.Context, random *rand.Rand) error {
			part := random.Float64() * random.Float64() // mostly few
			if random.IntN(8) == 0 {
				part = 1
			}
			n.proxy.Each(part, f)
			return nil
		}}
	}

	faults := []fault{
		links("reset", 4, (*faultnet.Link).Reset),
		links("reset of the client alone", 3, (*faultnet.Link).ResetClient),
		links("torn frame", 3, (*faultnet.Link).Tear),
		links("half-open", 3, (*faultnet.Link).Swallow),
		links("half-open downwards", 2, (*faultnet.Link).SwallowDown),
		{"stall", 2, func(_ context.Context, random *rand.Rand) error {
			n.proxy.Each(random.Float64(), func(l *faultnet.Link) { l.Stall(between(random, 50*time.Millisecond, 2*time.Second)) })
			return nil
		}},
		{"weather", 4, func(_ context.Context, random *rand.Rand) error {
			n.proxy.SetWeather(weathers[random.IntN(len(weathers))])
			return nil
		}},
		{"refusal", 1, func(ctx context.Context, random *rand.Rand) error {
			n.proxy.Refuse(true)
			defer n.proxy.Refuse(false)
			n.proxy.Each(0.5, (*faultnet.Link).Reset)
			rest(ctx, between(random, 100*time.Millisecond, time.Second))
			return nil
		}},
	}

	// Handshakes that outlast the patience of clients, which have tried again by then.
	faults = append(faults, fault{"late handshake", 3, func(ctx context.Context, random *rand.Rand) error {
		n.proxy.HoldNew(between(random, n.late, 3*n.late))
		defer n.proxy.HoldNew(0)
		n.proxy.Each(random.Float64(), (*faultnet.Link).Reset)
		rest(ctx, between(random, 100*time.Millisecond, time.Second))
		return nil
	}})

	if n.mirror != nil {
		faults = append(faults, fault{"packet storm", 3, func(_ context.Context, random *rand.Rand) error {
			var storm faultnet.Storm // in one of three cases the end of one
			if random.IntN(3) > 0 {
				storm = faultnet.Storm{Loss: 0.08 * random.Float64(), Double: 0.05 * random.Float64(), Delay: between(random, time.Millisecond, 60*time.Millisecond)}
			}
			n.mirror.SetStorm(storm)
			return nil
		}})
	}
	return faults
}

// weathers of connections: clear twice, so that all is well at times.
var weathers = []func(*rand.Rand) faultnet.Weather{
	fair, fair,
	func(r *rand.Rand) faultnet.Weather {
		return faultnet.Weather{Delay: between(r, 0, 300*time.Millisecond)}
	},
	func(r *rand.Rand) faultnet.Weather {
		return faultnet.Weather{Delay: between(r, 0, 50*time.Millisecond), Jitter: between(r, time.Millisecond, 150*time.Millisecond)}
	},
	func(r *rand.Rand) faultnet.Weather { return faultnet.Weather{Segment: 1 + r.IntN(60)} },
	func(r *rand.Rand) faultnet.Weather { return faultnet.Weather{Rate: 4<<10 + r.IntN(60<<10)} },
	func(r *rand.Rand) faultnet.Weather {
		return faultnet.Weather{Jitter: between(r, time.Millisecond, 80*time.Millisecond), Segment: 1 + r.IntN(300), Rate: 16<<10 + r.IntN(100<<10)}
	},
}

func fair(*rand.Rand) faultnet.Weather { return faultnet.Weather{} }

func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(max(1, high-low))))
}

// run makes faults of one list, with pauses of up to a time, until ctx ends.
func (n *nemesis) run(ctx context.Context, faults []fault, pause time.Duration, random *rand.Rand) error {
	var wheel []fault
	for _, f := range faults {
		for range f.weight {
			wheel = append(wheel, f)
		}
	}
	for {
		rest(ctx, between(random, pause/10, pause))
		if ctx.Err() != nil {
			return nil
		}
		f := wheel[random.IntN(len(wheel))]
		n.note(f.name)
		if err := f.make(ctx, random); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
}

// calm ends all weather. Connections that are half-open stay so until their ends notice.
func (n *nemesis) calm() {
	n.proxy.SetWeather(fair)
	n.proxy.Refuse(false)
	if n.mirror != nil {
		n.mirror.SetStorm(faultnet.Storm{})
	}
}

func (n *nemesis) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(n.counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, n.counts[name]))
	}
	return strings.Join(parts, ", ")
}
