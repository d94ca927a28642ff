package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carillon-chat/carillon/endurance/faultnet"
	"github.com/carillon-chat/carillon/internal/lab"
)

// cuts is a run in which the node and the network fail again and again, and nothing may be lost
// or doubled.
type cuts struct {
	length             time.Duration
	sessions, channels int
	rate               float64 // messages a second
	seed               uint64
	race, quiet, keep  bool // quiet: no faults
	packets            bool // also faults of packets
	program            string
	liveness           time.Duration
	freeze             [2]time.Duration
	pause              time.Duration // the longest between two faults of the server
	out                io.Writer

	dir      string
	workload *workload
	traffic  *traffic
	victim   *victim
	nemesis  *nemesis
	watchers []*watcher
}

// asCommand is set for a test binary that is to be the command.
const asCommand = "ENDURANCE_COMMAND"

// settleWithin bounds the wait for the last messages after the last fault.
const settleWithin = 90 * time.Second

func runCuts(ctx context.Context, args []string, out io.Writer) error {
	c := &cuts{out: out, freeze: [2]time.Duration{3 * time.Second, 20 * time.Second}}
	flags := flag.NewFlagSet("cuts", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.DurationVar(&c.length, "for", 10*time.Minute, "how long to send under faults")
	flags.IntVar(&c.sessions, "sessions", 50, "resuming sessions")
	flags.IntVar(&c.channels, "channels", 40, "channels, every seventh elastic")
	flags.Float64Var(&c.rate, "rate", 60, "messages a second, of all senders")
	flags.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano()), "what random choices come from")
	flags.BoolVar(&c.race, "race", false, "build the node with the race detector")
	flags.BoolVar(&c.quiet, "quiet", false, "make no faults")
	flags.BoolVar(&c.keep, "keep", false, "keep the data and journals of a run without a fault too")
	flags.BoolVar(&c.packets, "packets", true, "lose, double and reorder packets too, where the system allows it")
	flags.StringVar(&c.program, "program", "", "a node that is built already")
	flags.DurationVar(&c.liveness, "liveness", 2500*time.Millisecond, "after what silence a session gives its connection up")
	flags.DurationVar(&c.pause, "pause", 8*time.Second, "longest pause between two faults of the node; those of the network come five times as often")
	flags.DurationVar(&c.freeze[0], "freeze-least", c.freeze[0], "shortest time that the node is frozen")
	flags.DurationVar(&c.freeze[1], "freeze-most", c.freeze[1], "longest time that the node is frozen")
	inside := flags.Bool("inside", false, "used by this program itself: it is in a network of its own")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if c.length <= 0 || c.sessions < 4 || c.channels < 1 || c.rate <= 0 || c.liveness < 100*time.Millisecond {
		return errors.New("-for and -rate are above 0, -sessions at least 4, -channels at least 1, -liveness at least 100ms")
	}
	return c.prepare(ctx, *inside)
}

// prepare builds the node and goes on in a network of its own if there is one to be had.
func (c *cuts) prepare(ctx context.Context, inside bool) (err error) {
	if c.dir, err = os.MkdirTemp("", "carillon-cuts-"); err != nil {
		return err
	}
	elsewhere := false // the command in that network reports what went wrong

	// A run with a fault leaves its data, to find the cause.
	defer func() {
		if c.keep {
			fmt.Fprintln(c.out, "data are kept in", c.dir)
		} else if err == nil || elsewhere {
			err = errors.Join(err, os.RemoveAll(c.dir))
		} else {
			err = fmt.Errorf("%w\n(seed %d; data are kept in %s)", err, c.seed, c.dir)
		}
	}()

	if c.program == "" {
		var race []string
		if c.race {
			race = []string{"-race"}
		}
		if c.program, err = lab.Build(ctx, c.dir, race...); err != nil {
			return err
		}
	}

	// The rest of the run is in that network, by the same command; else there are no faults of packets.
	if !inside && c.packets && !c.quiet {
		if elsewhere, err = isolated(ctx, c); elsewhere {
			return err
		}
		c.noPackets(err)
	}

	if !inside {
		return c.run(ctx, nil)
	}
	if err := faultnet.Loopback(); err != nil {
		return err
	}
	mirror, err := faultnet.NewMirror(c.seed)
	if err != nil {
		c.noPackets(err)
		return c.run(ctx, nil)
	}
	defer mirror.Close()
	return c.run(ctx, mirror)
}

func (c *cuts) noPackets(why error) {
	fmt.Fprintf(c.out, "NOT TESTED: packets are neither lost nor reordered in this run: %v\n", why)
}

// run is the whole run.
func (c *cuts) run(ctx context.Context, mirror *faultnet.Mirror) (err error) {
	random := rand.New(rand.NewPCG(c.seed, 0))
	fmt.Fprintf(c.out, "cuts: seed %d, %d sessions, %d channels, %v\n", c.seed, c.sessions, c.channels, c.length)
	proxy, err := c.open(ctx, mirror)
	if err != nil {
		return err
	}
	defer proxy.Close()
	defer func() { err = errors.Join(err, c.victim.end((*lab.Process).Kill)) }()

	watching, stopWatching := context.WithCancel(ctx)
	var sessions errgroup.Group
	defer func() { stopWatching(); _ = sessions.Wait() }()
	if err := c.workload.makeUsers(ctx, max(4, c.sessions*9/10)); err != nil {
		return err
	}
	if err := c.attach(watching, &sessions, random); err != nil {
		return err
	}
	if err := c.eventually(ctx, "sessions are established", (*watcher).isUp); err != nil {
		return err
	}
	if err := c.workload.makeChannels(ctx, c.channels, random); err != nil {
		return err
	}
	if err := c.disturb(ctx, random); err != nil {
		return err
	}
	settled := c.settle(ctx)
	c.victim.mu.Lock()
	defer c.victim.mu.Unlock()
	says, err := c.workload.read(ctx)
	stopWatching()
	_ = sessions.Wait()
	if err != nil {
		return errors.Join(settled, err)
	}
	return c.report(judge(c.watchers, c.traffic, says), settled)
}

// open starts the node behind the proxy.
func (c *cuts) open(ctx context.Context, mirror *faultnet.Mirror) (*faultnet.Proxy, error) {
	listen, err := freePort()
	if err != nil {
		return nil, err
	}
	near := "127.0.0.1"
	if mirror != nil {
		near = faultnet.MirrorNear
	}
	proxy, err := faultnet.Listen(net.JoinHostPort(near, "0"), listen, c.seed)
	if err != nil {
		return nil, err
	}
	host := proxy.Addr()
	if mirror != nil {
		host = strings.Replace(host, faultnet.MirrorNear, faultnet.MirrorFar, 1)
	}
	c.victim = &victim{program: c.program, data: filepath.Join(c.dir, "data"), listen: listen, host: host, out: c.out}
	if err := c.victim.start(ctx); err != nil {
		return nil, errors.Join(err, proxy.Close())
	}
	c.workload = &workload{api: lab.Dev(listen, 5*time.Second)}
	c.traffic = &traffic{workload: c.workload}
	c.nemesis = &nemesis{victim: c.victim, proxy: proxy, mirror: mirror, freeze: c.freeze, late: 2 * c.liveness, counts: map[string]int{}}
	return proxy, nil
}

// freePort finds a port for the node, which has to know its public address before it starts and
// to keep its own over restarts.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// attach starts the sessions. Most are of the SDK, and some users have two.
func (c *cuts) attach(ctx context.Context, sessions *errgroup.Group, random *rand.Rand) error {
	shared, err := newSDK(c.victim.listen)
	if err != nil {
		return err
	}
	for i := range c.sessions {
		arn := c.workload.users[i%len(c.workload.users)]
		w := newWatcher(fmt.Sprintf("session-%02d", i), suffix(arn))
		c.watchers = append(c.watchers, w)
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		run := (&sdk{watcher: w, client: shared, userARN: arn, liveness: c.liveness, random: own, renews: i%5 == 1, dawdles: i%5 == 2}).run
		if i%5 == 0 {
			sockets := c.workload.api
			sockets.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			run = (&thin{watcher: w, api: c.workload.api, sockets: sockets, userARN: arn, liveness: c.liveness, random: own}).run
		}
		sessions.Go(func() error { run(ctx); return nil })
	}
	return nil
}

// senders is how many callers send at the same time.
const senders = 16

// disturb sends and moves under faults, and returns when all that was begun has an answer.
func (c *cuts) disturb(ctx context.Context, random *rand.Rand) error {
	work, cancel := context.WithTimeout(ctx, c.length+settleWithin)
	defer cancel()
	group, work := errgroup.WithContext(work)
	during, stop := context.WithTimeout(work, c.length)
	defer stop()
	seeded := func() *rand.Rand { return rand.New(rand.NewPCG(random.Uint64(), 0)) }
	for author := range senders {
		own := seeded()
		group.Go(func() error {
			return c.traffic.send(during, work, author, time.Duration(float64(senders)/c.rate*float64(time.Second)), own)
		})
	}
	mover, server, network := seeded(), seeded(), seeded()
	group.Go(func() error { return c.traffic.move(during, work, time.Second/2, mover) })
	if !c.quiet {
		group.Go(func() error { return c.nemesis.run(during, c.nemesis.serverFaults(), c.pause, server) })
		group.Go(func() error {
			defer c.nemesis.calm()
			return c.nemesis.run(during, c.nemesis.networkFaults(), c.pause/5, network)
		})
	}
	return group.Wait()
}

// settle waits until each session has the last message of each of its channels, twice: a double
// that comes late comes before the second.
func (c *cuts) settle(ctx context.Context) error {
	for round := range 2 {
		last, err := c.traffic.flush(ctx, round)
		if err != nil {
			return err
		}
		if err := c.eventually(ctx, "the last messages arrived", func(w *watcher) bool { return w.has(last[w.user]) }); err != nil {
			return err
		}
	}
	return nil
}

// eventually waits until something holds for every session.
func (c *cuts) eventually(ctx context.Context, what string, holds func(*watcher) bool) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for {
		var without []string
		for _, w := range c.watchers {
			if !holds(w) {
				without = append(without, w.name)
			}
		}
		if len(without) == 0 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %s, not for %v", errTooLong, what, without)
		}
		rest(ctx, 20*time.Millisecond)
	}
}

// report prints what happened and makes an error of what is wrong.
func (c *cuts) report(faults []string, settled error) error {
	var total sessionCounts
	var deliveries int
	var gap time.Duration
	for _, w := range c.watchers {
		total.connects += w.counts.connects
		total.resumed += w.counts.resumed
		total.notResumed += w.counts.notResumed
		deliveries += len(w.got)
		gap = max(gap, w.gap)
	}

	fmt.Fprintf(c.out, "sends acknowledged  %d\nchanges of members  %d\ndeliveries          %d\n", len(c.traffic.sent), len(c.traffic.moved), deliveries)
	fmt.Fprintf(c.out, "faults              %s\n", c.nemesis)
	if c.nemesis.mirror != nil {
		fmt.Fprintf(c.out, "packets             %+v\n", c.nemesis.mirror.Stats())
	}
	fmt.Fprintf(c.out, "reconnects          %d\nresumed             %d\nnot resumed         %d\n", total.connects-len(c.watchers), total.resumed, total.notResumed)
	fmt.Fprintf(c.out, "longest gap         %v without a connection\n", gap.Round(time.Millisecond))

	faults = append(faults, c.victim.odd...)
	if err := c.keepJournals(); err != nil {
		return err
	}
	if len(faults) == 0 && settled == nil {
		fmt.Fprintln(c.out, "nothing was lost, nothing doubled")
		return nil
	}
	return errors.Join(settled, fmt.Errorf("%d faults:\n  %s", len(faults), strings.Join(faults, "\n  ")))
}

// keepJournals writes down when there were which faults, and the life of each session.
func (c *cuts) keepJournals() error {
	lines := append([]string{"faults"}, c.nemesis.journal...)
	for _, w := range c.watchers {
		lines = append(lines, "", w.name+" of "+w.user)
		for _, n := range w.journal {
			lines = append(lines, n.String())
		}
	}
	return os.WriteFile(filepath.Join(c.dir, "journals.txt"), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}
