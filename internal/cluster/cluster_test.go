package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/cluster"
	"github.com/carillon-chat/carillon/internal/cluster/clustertest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

const lease = cluster.DefaultLease

// takeover is within what a node that dies is replaced: its lease, and a third for it to be looked at first.
const takeover = lease + lease/3

// bed is a store that nodes share.
type bed struct {
	*testing.T
	store store.Store
	log   clustertest.Log
}

func inBed(t *testing.T, test func(t *testing.T, b *bed)) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		defer st.Close()
		test(t, &bed{T: t, store: st})
	})
}

func (b *bed) start(id string) *clustertest.Node {
	n := clustertest.Start(b, b.store, id, cluster.Options{Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	b.Cleanup(func() { _ = n.Stop() })
	return n
}

func (b *bed) wantGone(by *clustertest.Node, name string, want bool) {
	b.Helper()
	synctest.Wait()
	err := b.store.View(b.Context(), "", func(r store.Reader) error {
		got, err := by.Gone(r, name)
		if got != want {
			b.Errorf("%s takes %s for gone: %v, want %v", by.Name(), name, got, want)
		}
		return err
	})
	if err != nil {
		b.Error(err)
	}
}

func TestALivingNodeIsNotGone(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		one, two := b.start("one"), b.start("two")
		for range 20 {
			time.Sleep(lease / 2)
			b.wantGone(one, two.Name(), false)
			b.wantGone(two, one.Name(), false)
		}
		b.wantGone(one, one.Name(), false)

		// One that has joined since the latest look is not known, and not gone.
		three := b.start("three")
		b.wantGone(one, three.Name(), false)
		b.wantGone(one, "embedded", true)
	})
}

func TestADeadNodeIsGoneWhenItsLeaseIsOver(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		one, two := b.start("one"), b.start("two")
		time.Sleep(10 * lease)
		changed := one.Changed()
		died := time.Now()
		two.Kill()
		time.Sleep(lease / 2)
		b.wantGone(one, two.Name(), false)
		<-changed
		if took := time.Since(died); took > takeover {
			t.Errorf("noticed after %v", took)
		}
		b.wantGone(one, two.Name(), true)
		if peers := one.Peers(); len(peers) != 2 || !peers[1].Gone || !peers[0].Self {
			t.Errorf("operators see %+v", peers)
		}

		// Its row is forgotten later, and it stays gone.
		time.Sleep(300 * lease)
		if peers := one.Peers(); len(peers) != 1 {
			t.Errorf("operators see %+v", peers)
		}
		b.wantGone(one, two.Name(), true)
	})
}

// A node that stops is gone as soon as others look, and one that starts again is another holder.
func TestAStartIsAnotherNode(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		one, two := b.start("one"), b.start("two")
		if err := two.Stop(); err != nil {
			t.Error(err)
		}
		time.Sleep(lease / 2)
		b.wantGone(one, two.Name(), true)
		again := b.start("two")
		if again.Name() == two.Name() {
			t.Errorf("both starts are called %s", again.Name())
		}
		time.Sleep(lease / 2)
		b.wantGone(one, two.Name(), true)
		b.wantGone(one, again.Name(), false)
	})
}

// What a node holds ends before others take it for gone, whatever keeps it from the store, and begins
// again when it is back.
func TestANodeEndsBeforeOthersBegin(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		one, two := b.start("one"), b.start("two")
		time.Sleep(10 * lease)
		held, stop, err := two.Hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		var ended, began time.Time
		go func() {
			<-held.Done()
			ended = time.Now()
		}()
		changed := one.Changed()
		go func() {
			<-changed
			began = time.Now()
		}()
		two.Away.Store(true)
		time.Sleep(2 * lease)
		synctest.Wait()
		if ended.IsZero() || began.IsZero() || ended.After(began) {
			t.Errorf("one ended at %v, the other began at %v", ended, began)
		}
		if err := context.Cause(held); err == nil || !strings.Contains(err.Error(), "renewed") {
			t.Errorf("it ended by %v", err)
		}

		two.Away.Store(false)
		again, stop, err := two.Hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		time.Sleep(10 * lease)
		if again.Err() != nil {
			t.Error("what it held again ended")
		}
		b.wantGone(one, two.Name(), false)
	})
}

// A process that stood still while its node was started elsewhere ends.
func TestAReplacedProcessEnds(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		former := b.start("one")
		held, stop, err := former.Hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		b.start("one")
		time.Sleep(lease)
		if held.Err() == nil {
			t.Error("it goes on")
		}
		if err := former.Stop(); !errors.Is(err, cluster.ErrReplaced) {
			t.Errorf("it ends with %v", err)
		}
	})
}

// A store that is away for all makes no node take the others for gone.
func TestAnOutageOfTheStoreTakesNothingFromANode(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		nodes := []*clustertest.Node{b.start("one"), b.start("two"), b.start("three")}
		time.Sleep(10 * lease)
		for _, n := range nodes {
			n.Away.Store(true)
		}
		time.Sleep(10 * lease)
		for _, n := range nodes {
			n.Away.Store(false)
		}
		time.Sleep(3 * lease)
		synctest.Wait()
		if log := b.log.String(); strings.Contains(log, "silent") {
			t.Errorf("log: %s", log)
		}
	})
}

// The clocks of the machines say times of day alone: one that is set makes no lease end or last longer.
func TestSettingAClockChangesNothing(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var step atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(step.Load())) }
		one := b.start("one")
		two := clustertest.Start(t, b.store, "two", cluster.Options{Now: now})
		defer func() { _ = two.Stop() }()
		for _, by := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -1000 * time.Hour} {
			step.Store(int64(by))
			time.Sleep(3 * lease)
			b.wantGone(one, two.Name(), false)
			b.wantGone(two, one.Name(), false)
		}
		changed := one.Changed()
		died := time.Now()
		two.Kill()
		<-changed
		if took := time.Since(died); took < lease*2/3 || took > takeover {
			t.Errorf("noticed after %v", took)
		}
	})
}

func TestClientsAreSentToTheLeastLoadedNode(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		loads := map[string]*atomic.Int64{}
		nodes := map[string]*clustertest.Node{}
		for id, load := range map[string]int64{"one": 100, "two": 10, "three": 15} {
			sockets := new(atomic.Int64)
			sockets.Store(load)
			n := clustertest.Start(t, b.store, id, cluster.Options{Load: func() int { return int(sockets.Load()) }})
			defer func() { _ = n.Stop() }()
			loads[id], nodes[id] = sockets, n
		}
		time.Sleep(lease)
		offers := func(n int) map[string]int {
			hosts := map[string]int{}
			for range n {
				host, _, _ := strings.Cut(nodes["one"].Offer(), ".")
				hosts[host]++
			}
			return hosts
		}

		// What was sent there counts until the load is seen again.
		if got := offers(25); got["two"] != 15 || got["three"] != 10 || got["one"] != 0 {
			t.Errorf("offered %v", got)
		}
		loads["two"].Store(200)
		time.Sleep(lease)
		if got := offers(1); got["three"] != 1 {
			t.Errorf("offered %v", got)
		}

		// One that drains is offered nowhere, at once by itself and soon by others.
		loads["three"].Store(0)
		if err := nodes["three"].Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if host := nodes["three"].Offer(); strings.HasPrefix(host, "three") {
			t.Errorf("a draining node offers %s", host)
		}
		time.Sleep(lease)
		if got := offers(1); got["one"] != 1 {
			t.Errorf("offered %v", got)
		}

		// A dead one is not offered, and the last one always is.
		nodes["two"].Kill()
		time.Sleep(2 * lease)
		if err := nodes["one"].Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := offers(1); got["one"] != 1 {
			t.Errorf("offered %v", got)
		}
	})
}

// worker runs work that a single node of the cluster executes, and records when it runs.
type worker struct {
	node *clustertest.Node
	busy atomic.Bool
	ctx  context.Context
	end  context.CancelFunc
}

func (b *bed) lead(n *clustertest.Node, work string) *worker {
	w := &worker{node: n}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- n.Lead(ctx, work, func(ctx context.Context) error {
			w.ctx = ctx
			w.busy.Store(true)
			defer w.busy.Store(false)
			<-ctx.Done()
			return nil
		})
	}()
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(w.end)
	synctest.Wait()
	return w
}

// write writes as the work does, and returns what the fence says.
func (b *bed) write(w *worker) error {
	return b.store.Update(b.Context(), "", func(tx store.Tx) error { return cluster.Check(w.ctx, tx) })
}

func TestOneNodeLeads(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		one := b.lead(b.start("one"), "cleaning")
		two := b.lead(b.start("two"), "cleaning")
		other := b.lead(two.node, "expiry")
		time.Sleep(20 * lease)
		if !one.busy.Load() || two.busy.Load() || !other.busy.Load() {
			t.Errorf("at work: %v, %v, %v", one.busy.Load(), two.busy.Load(), other.busy.Load())
		}
		if err := b.write(one); err != nil {
			t.Error(err)
		}

		// Of one that dies the next takes over within the lease, and not before it has ended.
		died := time.Now()
		one.node.Away.Store(true)
		for !two.busy.Load() {
			time.Sleep(time.Second)
			synctest.Wait()
			if one.busy.Load() && two.busy.Load() {
				t.Fatal("both are at work")
			}
		}
		if took := time.Since(died); took > takeover+time.Second {
			t.Errorf("taken over after %v", took)
		}
		if err := b.write(one); !errors.Is(err, cluster.ErrFenced) {
			t.Errorf("a late write: %v", err)
		}
		if err := b.write(two); err != nil {
			t.Error(err)
		}

		// When it is back it waits, and takes over from one that stops.
		one.node.Away.Store(false)
		time.Sleep(20 * lease)
		if one.busy.Load() || !two.busy.Load() {
			t.Errorf("at work: %v, %v", one.busy.Load(), two.busy.Load())
		}
		two.end()
		other.end()
		if err := two.node.Stop(); err != nil {
			t.Error(err)
		}
		time.Sleep(lease / 2)
		synctest.Wait()
		if !one.busy.Load() {
			t.Error("nothing is at work")
		}
	})
}

// What ends by itself while the lease is held ends for the caller.
func TestLeadReturnsWhatItsWorkReturns(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		want := errors.New("broken")
		if err := b.start("one").Lead(t.Context(), "work", func(context.Context) error { return want }); !errors.Is(err, want) {
			t.Errorf("got %v", err)
		}
	})
}

// Fencing numbers only grow, over all that take a lease.
func TestFencesGrow(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var last uint64
		for i, id := range []string{"one", "two", "one", "three"} {
			n := b.start(id)
			w := b.lead(n, "work")
			var now chime.Lease
			err := b.store.View(t.Context(), "", func(r store.Reader) (err error) {
				now, _, err = store.Leases.Get(r, store.K("work"))
				return err
			})
			if err != nil || now.Holder != n.Name() || now.Fence <= last {
				t.Errorf("lease %d is %+v, %v", i, now, err)
			}
			last = now.Fence
			w.end()
			if err := n.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestOnDisk has nodes share an engine that keeps its data, and open it again.
func TestOnDisk(t *testing.T) {
	folder := t.TempDir()
	var former string
	for range 2 {
		st, err := pebble.Open(folder, pebble.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		one := clustertest.Start(t, st, "one", cluster.Options{})
		two := clustertest.Start(t, st, "two", cluster.Options{})
		leading := make(chan string, 2)
		ctx, cancel := context.WithCancel(t.Context())
		var both sync.WaitGroup
		for _, n := range []*clustertest.Node{one, two} {
			both.Go(func() {
				_ = n.Lead(ctx, "work", func(ctx context.Context) error {
					leading <- n.Name()
					<-ctx.Done()
					return nil
				})
			})
		}
		if name := <-leading; name == former {
			t.Errorf("two starts have the name %s", name)
		} else {
			former = name
		}
		cancel()
		both.Wait()
		if err := errors.Join(one.Stop(), two.Stop(), st.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// Each work is preferred on one node, each node has its share, and one that goes leaves its share alone to others.
func TestWorkIsSpread(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		nodes := []*clustertest.Node{b.start("one"), b.start("two"), b.start("three")}
		time.Sleep(lease)
		preferred := func(among []*clustertest.Node) map[string]string {
			at := map[string]string{}
			for i := range 300 {
				work := fmt.Sprint("app-", i)
				for _, n := range among {
					if n.Prefers(work) && at[work] == "" {
						at[work] = n.Name()
					} else if n.Prefers(work) {
						t.Errorf("%s is preferred on two nodes", work)
					}
				}
			}
			return at
		}
		before, shares := preferred(nodes), map[string]int{}
		for _, name := range before {
			shares[name]++
		}
		for _, n := range nodes {
			if shares[n.Name()] < 60 {
				t.Errorf("shares %v", shares)
			}
		}
		nodes[2].Kill()
		time.Sleep(2 * lease)
		for work, name := range preferred(nodes[:2]) {
			if was := before[work]; was != name && was != nodes[2].Name() {
				t.Errorf("%s moved from %s to %s", work, was, name)
			}
		}
	})
}
