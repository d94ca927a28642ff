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
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// isolation makes random calls in two app instances and compares every frame of every socket with
// what the rules of the spec say that its user is to get: no less, no more, in the order of each channel.
//
// Workers make calls at the same time, each on channels of its own, for users that all of them share;
// sockets are opened, doubled, closed and resumed meanwhile. After each round of calls the sockets are
// compared, and users come, go and become admins.
type isolation struct {
	seed       uint64
	rnd        *rand.Rand
	apps       []*appInstance
	fences     []*channel // of the apps
	workers    []*worker
	rounds     int
	clock      clock
	retentions int // that began to hide messages
}

// keeper is a user of every app instance that stays an admin.
const keeper = "kay"

var people = []string{keeper, "ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"}

// callsOfRound are the calls of each worker between two comparisons.
const callsOfRound = 60

// runIsolation is the command.
func runIsolation(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("isolation", flag.ContinueOnError)
	flags.SetOutput(out)
	length := flags.Duration("for", 2*time.Minute, "how long to make calls")
	rounds := flags.Int("rounds", 0, "how many rounds of calls to make, instead of for a time")
	seed := flags.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the calls")
	if err := flags.Parse(args); err != nil {
		return err
	}

	fmt.Fprintf(out, "isolation: repeat with -seed %d\n", *seed)
	dir, err := os.MkdirTemp("", "carillon-endurance-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	run := &isolation{seed: *seed, rnd: rand.New(rand.NewPCG(*seed, 0))}
	node, err := startNode(ctx, dir, run.clock.now)
	if err != nil {
		return err
	}
	stop := sync.OnceValue(func() error { return stopNode(node) })
	defer func() { err = errors.Join(err, stop()) }()

	// The peer signs by the node's clock, which the run moves.
	p := lab.Dev(node.Addr(), 30*time.Second)
	p.Now = run.clock.now
	defer p.Close()
	defer func() {
		for _, a := range run.apps {
			a.closeSockets()
		}
	}()

	if err := run.prepare(ctx, p); err != nil {
		return err
	}

	more := func() bool { return run.rounds < *rounds }
	if deadline := time.Now().Add(*length); *rounds == 0 {
		more = func() bool { return time.Now().Before(deadline) }
	}
	for err == nil && more() {
		err = run.round(ctx)
	}
	if err == nil {
		err = run.settle(ctx) // once more: nothing may come behind the last fence
	}

	run.report(out)
	if err != nil {
		return err
	}

	// The data folder is searched when the node has erased what was removed, and has stopped.
	if err := node.EraseRemoved(ctx); err != nil {
		return err
	}
	for _, a := range run.apps {
		a.closeSockets()
	}
	if err := stop(); err != nil {
		return err
	}
	return run.searchFolder(out, dir)
}

// startNode runs a fresh node in dev mode inside this process, with its data in dir. now is its clock.
func startNode(ctx context.Context, dir string, now func() time.Time) (*lab.Node, error) {
	cfg, err := lab.Load(config.Dev, map[string]string{"ops-listen": "", "data": filepath.Join(dir, "data"), "log-level": "error"})
	if err != nil {
		return nil, err
	}
	return lab.Run(ctx, cfg, app.Deps{Now: now, Version: "endurance"})
}

// stopNode stops the node. That it logged anything, which could be errors alone, is an error.
func stopNode(node *lab.Node) error {
	err := node.Stop()
	if text := node.Log.String(); text != "" {
		err = errors.Join(err, fmt.Errorf("the node logged errors:\n%s", text))
	}
	return err
}

func (run *isolation) prepare(ctx context.Context, p lab.Peer) error {
	for _, name := range []string{"a", "b"} {
		a, err := newAppInstance(ctx, p, name, people)
		if err != nil {
			return err
		}
		run.apps = append(run.apps, a)
		if err := a.setAdmin(ctx, keeper, true); err != nil {
			return err
		}
		fence, err := a.addFence(ctx)
		if err != nil {
			return err
		}
		run.fences = append(run.fences, fence)
	}

	// The workers of b have channels of the same ids as those of a.
	a, b := run.apps[0], run.apps[1]
	run.workers = []*worker{
		newWorker(a, "one", run.seed, "c1", "c2"),
		newWorker(a, "two", run.seed, "c3"),
		newWorker(a, "hall", run.seed, "h1"),
		newWorker(b, "other", run.seed, "c1", "c2"),
		newWorker(b, "foyer", run.seed, "h1"),
	}
	for _, i := range []int{0, 3} {
		run.workers[i].sockets = true
	}
	for _, i := range []int{2, 4} {
		run.workers[i].elastic = true
	}
	run.workers[0].other, run.workers[2].other, run.workers[3].other = b, b, a

	// A socket for each user, so that every event of the first round is seen.
	for _, a := range run.apps {
		for _, who := range a.users {
			if _, err := a.open(ctx, who, opening{}); err != nil {
				return err
			}
		}
	}
	return run.settle(ctx)
}

// addFence makes the channel of all users of the app instance.
func (a *appInstance) addFence(ctx context.Context) (*channel, error) {
	c := newChannel(a.channel("fence"), "fence", keeper, a.admins)
	err := a.Call(ctx, http.MethodPost, "/channels", a.user(keeper), object{
		"AppInstanceArn": a.arn, "ChannelId": "fence", "Name": "fence", "ClientRequestToken": uuid.NewString(), "Privacy": "PRIVATE", "Mode": "RESTRICTED",
		"MemberArns": a.userARNs(a.users[1:]),
	}, nil)
	a.expect(a.begun.Add(1), c.arn, c.begin(keeper, a.users[1:]...))
	return c, err
}

// round lets the workers make calls and then compares all sockets.
func (run *isolation) round(ctx context.Context) error {
	run.rounds++
	right := run.clock.set(run.step())

	// The calls of a round, by all workers at the same time.
	failed := make(chan error, len(run.workers))
	var group sync.WaitGroup
	for _, w := range run.workers {
		group.Go(func() { failed <- w.run(ctx, callsOfRound) })
	}
	group.Wait()
	close(failed)
	var faults []error
	for err := range failed {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}

	if err := run.settle(ctx); err != nil {
		return err
	}
	right()

	// While no worker makes calls, what is stored is compared and users change.
	for i, a := range run.apps {
		if err := run.prefetch(ctx, a, run.fences[i]); err != nil {
			return fmt.Errorf("round %d: %w\n%s", run.rounds, err, run.latest(a))
		}
		if err := run.pages(ctx, a, run.fences[i]); err != nil {
			return fmt.Errorf("round %d: %w\n%s", run.rounds, err, run.latest(a))
		}
		if err := run.changeUsers(ctx, a, run.fences[i]); err != nil {
			return err
		}
		if err := run.changeRetention(ctx, a); err != nil {
			return fmt.Errorf("round %d: %w", run.rounds, err)
		}
	}
	return nil
}

// settle sends a message to all users of each app instance and compares all sockets.
func (run *isolation) settle(ctx context.Context) error {
	for i, a := range run.apps {
		fence := run.fences[i]
		var out struct{ MessageId string }
		n := &note{sender: keeper, kind: "STANDARD", persistence: "PERSISTENT", content: uuid.NewString()}
		call := a.begun.Add(1)
		err := a.Call(ctx, http.MethodPost, path(fence, "messages"), a.user(keeper), object{
			"Content": n.content, "Type": n.kind, "Persistence": n.persistence, "ClientRequestToken": uuid.NewString(),
		}, &out)
		if err != nil {
			return fmt.Errorf("the fence: %w", err)
		}
		n.id = out.MessageId
		a.expect(call, fence.arn, fence.send(fence.places[0], n))
		a.revise(fence.arn, fence)
		if err := a.settle(ctx, fence.arn); err != nil {
			return fmt.Errorf("round %d: %w\n%s", run.rounds, err, run.latest(a))
		}
	}
	return nil
}

// changeUsers deletes a user, brings one back, and makes or ends an admin.
func (run *isolation) changeUsers(ctx context.Context, a *appInstance, fence *channel) error {
	who := a.users[1+run.rnd.IntN(len(a.users)-1)]
	switch run.rnd.IntN(4) {
	case 0:
		if a.gone[who] {
			return run.bringBack(ctx, a, fence, who)
		}
		return run.takeAway(ctx, a, fence, who)
	case 1:
		if !a.gone[who] {
			return a.setAdmin(ctx, who, !a.admins[who])
		}
	}
	for _, one := range a.users {
		if a.gone[one] {
			return run.bringBack(ctx, a, fence, one)
		}
	}
	return nil
}

func (run *isolation) takeAway(ctx context.Context, a *appInstance, fence *channel, who string) error {
	if err := a.removeUser(ctx, who); err != nil {
		return fmt.Errorf("round %d: %w", run.rounds, err)
	}
	for _, w := range run.workers {
		if w.appInstance == a {
			w.remove(who)
		}
	}
	events := fence.forget(who)
	events[0].to = fence.all()
	a.expect(a.begun.Add(1), fence.arn, events)
	return nil
}

// bringBack makes a user of the same id, which has nothing of what the deleted one had.
func (run *isolation) bringBack(ctx context.Context, a *appInstance, fence *channel, who string) error {
	if err := a.addUser(ctx, who); err != nil {
		return err
	}
	if _, err := a.open(ctx, who, opening{}); err != nil {
		return err
	}
	call := a.begun.Add(1)
	err := a.Call(ctx, http.MethodPost, path(fence, "memberships"), a.user(keeper), object{"MemberArn": a.user(who), "Type": "DEFAULT"}, nil)
	a.expect(call, fence.arn, fence.add(keeper, who, "DEFAULT"))
	return err
}

// latest are the latest calls of the workers of an app instance.
func (run *isolation) latest(a *appInstance) string {
	var b strings.Builder
	for _, w := range run.workers {
		if w.appInstance == a {
			fmt.Fprintf(&b, "latest calls of %s:\n  %s\n", w.name, strings.Join(w.history, "\n  "))
		}
	}
	return b.String()
}

// everyKind are the events that a run of some rounds causes. Fewer would show little.
var everyKind = []string{
	"CREATE_CHANNEL_MESSAGE", "UPDATE_CHANNEL_MESSAGE", "REDACT_CHANNEL_MESSAGE", "DELETE_CHANNEL_MESSAGE",
	"PENDING_CREATE_CHANNEL_MESSAGE", "PENDING_UPDATE_CHANNEL_MESSAGE", "FAILED_CREATE_CHANNEL_MESSAGE", "FAILED_UPDATE_CHANNEL_MESSAGE",
	"UPDATE_CHANNEL", "DELETE_CHANNEL", "CREATE_CHANNEL_MEMBERSHIP", "BATCH_CREATE_CHANNEL_MEMBERSHIP",
	"UPDATE_CHANNEL_MEMBERSHIP", "DELETE_CHANNEL_MEMBERSHIP", "DELETE_CHANNEL_MEMBERSHIP " + reasonDeleted,
}

func (run *isolation) report(out io.Writer) {
	kinds, opened, resumed := map[string]int{}, 0, 0
	for _, a := range run.apps {
		for kind, n := range a.kinds {
			kinds[kind] += n
		}
		opened, resumed = opened+a.opened, resumed+a.resumed
	}
	removed := 0
	for _, a := range run.apps {
		gone, _ := a.contents()
		removed += len(gone)
	}
	fmt.Fprintf(out, "%d rounds, %d sockets were opened, of which %d resumed; %d contents were removed, %d retentions began; due to users were:\n",
		run.rounds, opened, resumed, removed, run.retentions)
	for _, kind := range everyKind {
		fmt.Fprintf(out, "%8d %s\n", kinds[kind], kind)
	}
	for _, w := range run.workers {
		fmt.Fprintf(out, "%-6s %d calls: %v\n", w.name, w.number, w.ended)
	}
}
