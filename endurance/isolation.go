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
// what the rules of the spec say who is to get: no less, no more, in the order of each channel.
//
// Lanes make calls at the same time, each on channels of its own, for users that all of them share;
// sockets are opened, doubled, closed and resumed meanwhile. After each round of calls the sockets are
// compared, and users come, go and become admins.
type isolation struct {
	seed       uint64
	rnd        *rand.Rand
	tenants    []*tenant
	fences     []*channel // of the tenants
	lanes      []*lane
	rounds     int
	clock      clock
	retentions int // that began to hide messages
}

// keeper is a user of every app instance who is an admin for good.
const keeper = "kay"

var people = []string{keeper, "ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"}

// callsOfRound are the calls of each lane between two comparisons.
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
	p := lab.Dev(node.Addr(), 30*time.Second)
	p.Now = run.clock.now
	defer p.Close()
	defer func() {
		for _, t := range run.tenants {
			t.closeSockets()
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
	if err := node.EraseRemoved(ctx); err != nil {
		return err
	}
	for _, t := range run.tenants {
		t.closeSockets()
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
		t, err := newTenant(ctx, p, name, people)
		if err != nil {
			return err
		}
		run.tenants = append(run.tenants, t)
		if err := t.setAdmin(ctx, keeper, true); err != nil {
			return err
		}
		fence, err := t.addFence(ctx)
		if err != nil {
			return err
		}
		run.fences = append(run.fences, fence)
	}
	a, b := run.tenants[0], run.tenants[1]
	run.lanes = []*lane{
		newLane(a, "one", run.seed, "c1", "c2"),
		newLane(a, "two", run.seed, "c3"),
		newLane(a, "hall", run.seed, "h1"),
		newLane(b, "other", run.seed, "c1", "c2"),
		newLane(b, "foyer", run.seed, "h1"),
	}
	for _, i := range []int{0, 3} {
		run.lanes[i].sockets = true
	}
	for _, i := range []int{2, 4} {
		run.lanes[i].elastic = true
	}
	run.lanes[0].other, run.lanes[2].other, run.lanes[3].other = b, b, a
	for _, t := range run.tenants {
		for _, who := range t.users {
			if _, err := t.open(ctx, who, opening{}); err != nil {
				return err
			}
		}
	}
	return run.settle(ctx)
}

// addFence makes the channel of all users of the app instance.
func (t *tenant) addFence(ctx context.Context) (*channel, error) {
	c := newChannel(t.channel("fence"), "fence", keeper, t.admins)
	err := t.Call(ctx, http.MethodPost, "/channels", t.user(keeper), object{
		"AppInstanceArn": t.arn, "ChannelId": "fence", "Name": "fence", "ClientRequestToken": uuid.NewString(), "Privacy": "PRIVATE", "Mode": "RESTRICTED",
		"MemberArns": t.userARNs(t.users[1:]),
	}, nil)
	t.tell(t.begun.Add(1), c.arn, c.begin(keeper, t.users[1:]...))
	return c, err
}

// round lets the lanes make calls and then compares all sockets.
func (run *isolation) round(ctx context.Context) error {
	run.rounds++
	right := run.clock.set(run.step())
	failed := make(chan error, len(run.lanes))
	var group sync.WaitGroup
	for _, l := range run.lanes {
		group.Go(func() { failed <- l.run(ctx, callsOfRound) })
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
	for i, t := range run.tenants {
		if err := run.prefetch(ctx, t, run.fences[i]); err != nil {
			return fmt.Errorf("round %d: %w\n%s", run.rounds, err, run.latest(t))
		}
		if err := run.pages(ctx, t, run.fences[i]); err != nil {
			return fmt.Errorf("round %d: %w\n%s", run.rounds, err, run.latest(t))
		}
		if err := run.changeUsers(ctx, t, run.fences[i]); err != nil {
			return err
		}
		if err := run.changeRetention(ctx, t); err != nil {
			return fmt.Errorf("round %d: %w", run.rounds, err)
		}
	}
	return nil
}

// settle sends a message to all users of each app instance and compares all sockets.
func (run *isolation) settle(ctx context.Context) error {
	for i, t := range run.tenants {
		fence := run.fences[i]
		var out struct{ MessageId string }
		n := &note{sender: keeper, kind: "STANDARD", persistence: "PERSISTENT", content: uuid.NewString()}
		call := t.begun.Add(1)
		err := t.Call(ctx, http.MethodPost, path(fence, "messages"), t.user(keeper), object{
			"Content": n.content, "Type": n.kind, "Persistence": n.persistence, "ClientRequestToken": uuid.NewString(),
		}, &out)
		if err != nil {
			return fmt.Errorf("the fence: %w", err)
		}
		n.id = out.MessageId
		t.tell(call, fence.arn, fence.send(fence.places[0], n))
		t.revise(fence.arn, fence)
		if err := t.settle(ctx, fence.arn); err != nil {
			return fmt.Errorf("round %d: %w\n%s", run.rounds, err, run.latest(t))
		}
	}
	return nil
}

// changeUsers deletes a user, brings one back, and makes or ends an admin.
func (run *isolation) changeUsers(ctx context.Context, t *tenant, fence *channel) error {
	who := t.users[1+run.rnd.IntN(len(t.users)-1)]
	switch run.rnd.IntN(4) {
	case 0:
		if t.gone[who] {
			return run.bringBack(ctx, t, fence, who)
		}
		return run.takeAway(ctx, t, fence, who)
	case 1:
		if !t.gone[who] {
			return t.setAdmin(ctx, who, !t.admins[who])
		}
	}
	for _, one := range t.users {
		if t.gone[one] {
			return run.bringBack(ctx, t, fence, one)
		}
	}
	return nil
}

func (run *isolation) takeAway(ctx context.Context, t *tenant, fence *channel, who string) error {
	if err := t.removeUser(ctx, who); err != nil {
		return fmt.Errorf("round %d: %w", run.rounds, err)
	}
	for _, l := range run.lanes {
		if l.tenant == t {
			l.remove(who)
		}
	}
	events := fence.forget(who)
	events[0].to = fence.all()
	t.tell(t.begun.Add(1), fence.arn, events)
	return nil
}

// bringBack makes a user of the same id, who has nothing of what the deleted one had.
func (run *isolation) bringBack(ctx context.Context, t *tenant, fence *channel, who string) error {
	if err := t.addUser(ctx, who); err != nil {
		return err
	}
	if _, err := t.open(ctx, who, opening{}); err != nil {
		return err
	}
	call := t.begun.Add(1)
	err := t.Call(ctx, http.MethodPost, path(fence, "memberships"), t.user(keeper), object{"MemberArn": t.user(who), "Type": "DEFAULT"}, nil)
	t.tell(call, fence.arn, fence.add(keeper, who, "DEFAULT"))
	return err
}

// latest are the latest calls of the lanes of an app instance.
func (run *isolation) latest(t *tenant) string {
	var b strings.Builder
	for _, l := range run.lanes {
		if l.tenant == t {
			fmt.Fprintf(&b, "latest calls of %s:\n  %s\n", l.name, strings.Join(l.history, "\n  "))
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
	for _, t := range run.tenants {
		for kind, n := range t.kinds {
			kinds[kind] += n
		}
		opened, resumed = opened+t.opened, resumed+t.resumed
	}
	removed := 0
	for _, t := range run.tenants {
		gone, _ := t.contents()
		removed += len(gone)
	}
	fmt.Fprintf(out, "%d rounds, %d sockets were opened, of which %d resumed; %d contents were removed, %d retentions began; due to users were:\n",
		run.rounds, opened, resumed, removed, run.retentions)
	for _, kind := range everyKind {
		fmt.Fprintf(out, "%8d %s\n", kinds[kind], kind)
	}
	for _, l := range run.lanes {
		fmt.Fprintf(out, "%-6s %d calls: %v\n", l.name, l.number, l.ended)
	}
}
