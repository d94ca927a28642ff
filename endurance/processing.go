package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carillon-chat/carillon/endurance/processing"
	"github.com/carillon-chat/carillon/internal/lab"
)

// chatting is a run in which messages pass channel flows and events go to sinks, while the node and all that it calls are
// killed: each message has one outcome, which sessions, lists and sinks agree on, and of which others learn when it is there.
type chatting struct {
	length        time.Duration
	users, copies int
	rate          float64 // acts a second
	seed          uint64
	quiet, keep   bool
	program       string
	pause, away   time.Duration
	liveness      time.Duration
	out           io.Writer

	dir       string
	victim    *victim
	nemesis   *nemesis
	chatter   *chatter
	parts     []*part
	addresses map[string]string // of parts
	recorders []*recorder
}

func runProcessing(ctx context.Context, args []string, out io.Writer) error {
	c := &chatting{out: out, addresses: map[string]string{}}
	flags := flag.NewFlagSet("processing", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.DurationVar(&c.length, "for", 10*time.Minute, "how long users act under faults")
	flags.IntVar(&c.users, "users", 8, "users, of whom each second one has two sessions")
	flags.IntVar(&c.copies, "copies", 2, "channels of each flow")
	flags.Float64Var(&c.rate, "rate", 30, "calls a second, of all users")
	flags.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano()), "what random choices come from")
	flags.BoolVar(&c.quiet, "quiet", false, "make no faults")
	flags.BoolVar(&c.keep, "keep", false, "keep the data of a run without a fault too")
	flags.StringVar(&c.program, "program", "", "a node that is built already")
	flags.DurationVar(&c.pause, "pause", 12*time.Second, "longest pause between two faults of the node, and of what it calls")
	flags.DurationVar(&c.away, "away", 30*time.Second, "longest time that a sink or a processor is away")
	flags.DurationVar(&c.liveness, "liveness", 2500*time.Millisecond, "after what silence a session gives its connection up")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if c.length <= 0 || c.users < 4 || c.copies < 1 || c.rate <= 0 || c.liveness < 100*time.Millisecond {
		return errors.New("-for and -rate are above 0, -users at least 4, -copies at least 1, -liveness at least 100ms")
	}
	return c.prepare(ctx)
}

// prepare builds the node. A run with a fault leaves its data, to find the cause.
func (c *chatting) prepare(ctx context.Context) (err error) {
	if c.dir, err = os.MkdirTemp("", "carillon-processing-"); err != nil {
		return err
	}
	defer func() {
		if c.keep {
			fmt.Fprintln(c.out, "data are kept in", c.dir)
		} else if err == nil {
			err = os.RemoveAll(c.dir)
		} else {
			err = fmt.Errorf("%w\n(seed %d; data are kept in %s)", err, c.seed, c.dir)
		}
	}()
	if c.program == "" {
		if c.program, err = lab.Build(ctx, c.dir); err != nil {
			return err
		}
	}
	return c.run(ctx)
}

// run is the whole run.
func (c *chatting) run(ctx context.Context) (err error) {
	fmt.Fprintf(c.out, "processing: seed %d, %d users, %d channels of each of %d flows and an elastic one, %v\n", c.seed, c.users, c.copies, len(flows), c.length)
	random := rand.New(rand.NewPCG(c.seed, 0))
	running, stop := context.WithCancel(ctx)
	group, running := errgroup.WithContext(running)
	defer func() {
		stop()
		err = errors.Join(err, group.Wait())
	}()
	if err := c.open(running, group); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.victim.end((*lab.Process).Kill)) }()

	// Sessions are there before the channels, so that they get all of their events.
	c.chatter = &chatter{workload: &workload{api: lab.Dev(c.victim.listen, 5*time.Second)}}
	defer c.chatter.api.Close()
	if err := c.chatter.begin(running, c.users); err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(running)
	var sessions errgroup.Group
	defer func() { stopWatching(); _ = sessions.Wait() }()
	if err := c.attach(watching, &sessions, random); err != nil {
		return err
	}
	up := func(r *recorder) bool { return r.isUp() }
	if err := c.eventually(running, "sessions are established", up); err != nil {
		return err
	}
	if err := c.chatter.makeChats(running, c.copies, random); err != nil {
		return err
	}

	if err := c.disturb(running, random); err != nil {
		return err
	}
	settled := c.settle(running)
	h, err := c.gather(running)
	stopWatching()
	_ = sessions.Wait()
	if err != nil {
		return errors.Join(settled, err)
	}
	for _, r := range c.recorders {
		h.Sessions = append(h.Sessions, r.session())
	}
	return c.report(h, settled)
}

// open starts what the node calls, and the node.
func (c *chatting) open(ctx context.Context, group *errgroup.Group) (err error) {
	listen, err := freePort()
	if err != nil {
		return err
	}
	for _, name := range []string{"filters", "mortal", "bot", "hook", "kafka", "nats"} {
		address, err := freePort()
		if err != nil {
			return err
		}
		p := &part{name: name, args: []string{"-listen", address, "-dir", filepath.Join(c.dir, name), "-node", listen, "-seed", fmt.Sprint(c.seed)}}
		c.parts, c.addresses[name] = append(c.parts, p), address
		up := make(chan error, 1)
		group.Go(func() error { return p.run(ctx, up) })
		if err := <-up; err != nil {
			return err
		}
	}

	secret := filepath.Join(c.dir, "secret")
	if err := os.WriteFile(secret, []byte(hookSecret+"\n"), 0o600); err != nil {
		return err
	}
	c.victim = &victim{
		program: c.program, data: filepath.Join(c.dir, "data"), listen: listen, host: listen, out: c.out,
		args: []string{"--functions", c.functions(), "--bots", botPattern + " http://" + c.addresses["bot"] + "/", "--streams", strings.Join([]string{
			"file * file:" + c.folder() + " size=1MiB",
			"hook * http://" + c.addresses["hook"] + "/ secret-file=" + secret,
			"kafka * kafka://" + c.addresses["kafka"] + "/" + kafkaTopic,
			"nats * nats://" + c.addresses["nats"] + "/" + natsSubject,
		}, ",")},
	}
	c.nemesis = &nemesis{victim: c.victim, freeze: [2]time.Duration{c.away / 20, c.away / 5}, counts: map[string]int{}}
	return c.victim.start(ctx)
}

// folder is that of the file sink.
func (c *chatting) folder() string { return filepath.Join(c.dir, "file") }

// functions says where the processors are.
func (c *chatting) functions() string {
	var entries []string
	for _, name := range []string{processSync, processLater, processDeny, processFlaky, processMortal} {
		entries = append(entries, fmt.Sprintf("arn:aws:lambda:*:function:%s http://%s/%s", name, c.addresses[processOf(name)], name))
	}
	return strings.Join(entries, ",")
}

// processOf is the part that a processor is in.
func processOf(processor string) string {
	if processor == processMortal {
		return "mortal"
	}
	return "filters"
}

// attach starts the sessions: half of them are of the SDK.
func (c *chatting) attach(ctx context.Context, sessions *errgroup.Group, random *rand.Rand) error {
	shared, err := newSDK(c.victim.listen)
	if err != nil {
		return err
	}
	for i := range c.users * 3 / 2 {
		arn := c.chatter.users[i%c.users]
		r := newRecorder(fmt.Sprintf("session-%02d", i), suffix(arn))
		c.recorders = append(c.recorders, r)
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		run := (&sdk{watcher: r.watcher, client: shared, userARN: arn, liveness: c.liveness, random: own}).run
		if i%2 == 0 {
			sockets := c.chatter.api
			sockets.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			run = (&thin{watcher: r.watcher, api: c.chatter.api, sockets: sockets, userARN: arn, liveness: c.liveness, random: own}).run
		}
		sessions.Go(func() error { run(ctx); return nil })
	}
	return nil
}

// disturb lets users act under faults, and returns when all that was begun has an answer.
func (c *chatting) disturb(ctx context.Context, random *rand.Rand) error {
	work, cancel := context.WithTimeout(ctx, c.length+settleWithin)
	defer cancel()
	group, work := errgroup.WithContext(work)
	during, stop := context.WithTimeout(work, c.length)
	defer stop()
	seeded := func() *rand.Rand { return rand.New(rand.NewPCG(random.Uint64(), 0)) }
	every := time.Duration(float64(c.users) / c.rate * float64(time.Second))
	for user := range c.users {
		own := seeded()
		group.Go(func() error { return c.chatter.run(during, work, user, every, own) })
	}
	if !c.quiet {
		server, others := seeded(), seeded()
		group.Go(func() error { return c.nemesis.run(during, c.nemesis.serverFaults(), c.pause, server) })
		group.Go(func() error { return c.nemesis.run(during, c.partFaults(), c.pause/2, others) })
	}
	return group.Wait()
}

// partFaults are those of what the node calls.
func (c *chatting) partFaults() (list []fault) {
	for _, p := range c.parts {
		list = append(list,
			fault{"kill " + p.name, 3, func(_ context.Context, random *rand.Rand) error { return p.kill(between(random, 0, time.Second)) }},
			fault{"away " + p.name, 1, func(_ context.Context, random *rand.Rand) error { return p.kill(between(random, c.away/10, c.away)) }},
			fault{"freeze " + p.name, 1, func(ctx context.Context, random *rand.Rand) error {
				return p.freeze(ctx, between(random, 0, c.away/10))
			}},
		)
	}
	return list
}

// report prints what happened and makes an error of what is wrong.
func (c *chatting) report(h *processing.History, settled error) error {
	faults := append(processing.Judge(h), c.victim.odd...)
	c.count(h)
	fmt.Fprintf(c.out, "faults              %s\n", c.nemesis)
	if err := c.keepStory(h); err != nil {
		return err
	}
	if len(faults) == 0 && settled == nil {
		fmt.Fprintln(c.out, "each message has one outcome, which all agree on, and each sink has every event in order")
		return nil
	}
	return errors.Join(settled, fmt.Errorf("%d faults:\n  %s", len(faults), strings.Join(faults, "\n  ")))
}
