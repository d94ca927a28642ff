package nats_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/bus/bustest"
	"github.com/carillon-chat/carillon/internal/bus/nats/natstest"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// TestFaultsCostNoEvent commits and publishes on two nodes while what connects three with NATS is cut, stopped
// and refused. Each has every event of the log once and in order, and ephemeral ones at most once and in order.
func TestFaultsCostNoEvent(t *testing.T) {
	s := serve(t, server.Options{})
	db := newDatabase(t)
	var nodes []*node
	var wires []*wire
	for range 3 {
		w := newWire(t, s)
		wires = append(wires, w)
		nodes = append(nodes, newNode(t, db, w.options()))
	}
	var cursors []store.Cursor
	var lives []bus.Subscription
	for _, n := range nodes {
		cursors = append(cursors, n.follow(app))
		lives = append(lives, n.bus.Subscribe(app))
	}

	// The network fails as long as there is work.
	working, done := context.WithCancel(t.Context())
	var faults, work sync.WaitGroup
	faults.Go(func() { fail(working, wires) })
	faults.Go(func() { pollNowAndThen(working, nodes) })

	const commits = 400
	for i, n := range nodes[:2] {
		work.Go(func() {
			for k := range commits {
				n.bus.Publish(app, 0, chime.Event{Type: chime.EventTyping, Payload: fmt.Appendf(nil, "%d %d", i, k)})
				n.commit(app, fmt.Sprint(i, " ", k))
				<-time.After(time.Duration(k%10) * time.Millisecond) // so that faults come in between
			}
		})
	}

	inLog := func(position uint64) (text string) {
		err := db.View(t.Context(), app, func(r store.Reader) error {
			e, err := store.ReadEvent(r, app, position)
			if err == nil {
				text = string(e.Payload)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return text
	}
	for _, c := range cursors {
		expect(t, c, inLog, 1, 2*commits)
	}
	work.Wait()
	done()
	faults.Wait()
	for i, live := range lives {
		inOrderOf(t, i, live)
	}
	if st := nodes[2].bus.Stats(); st.Received["log"] == 0 || st.Disconnects == 0 {
		t.Errorf("nothing was shown: %+v", st)
	}
}

// fail has the wires fail at random until ctx ends. Then all are well.
func fail(ctx context.Context, wires []*wire) {
	random := rand.New(rand.NewPCG(1, 2))
	for ctx.Err() == nil {
		w := wires[random.IntN(len(wires))]
		switch random.IntN(4) {
		case 0:
			w.cut()
		case 1:
			w.setDown(true)
		case 2:
			w.hold()
		}
		select {
		case <-time.After(time.Duration(random.IntN(200)) * time.Millisecond):
		case <-ctx.Done():
		}
		w.goOn()
		w.setDown(false)
	}
}

// pollNowAndThen does what an engine does beside the bus: the last message before a silence may be lost.
func pollNowAndThen(ctx context.Context, nodes []*node) {
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			for _, n := range nodes {
				n.poll(app)
			}
		case <-ctx.Done():
			return
		}
	}
}

// inOrderOf reports ephemeral events that come twice, or after later ones of their node.
func inOrderOf(t *testing.T, reader int, live bus.Subscription) {
	t.Helper()
	latest := map[int]int{0: -1, 1: -1}
	messages, _ := live.Poll()
	for _, m := range messages {
		for _, e := range m.Events {
			var writer, k int
			if _, err := fmt.Sscan(string(e.Payload), &writer, &k); err != nil {
				t.Fatal(err)
			}
			if k <= latest[writer] {
				t.Errorf("node %d has %d of node %d after %d", reader, k, writer, latest[writer])
			}
			latest[writer] = k
		}
	}
	if reader < 2 && latest[reader] < 0 {
		t.Errorf("node %d has nothing of its own", reader)
	}
}

// TestNATSIsRestarted: meanwhile a node says that it is away, its own subscriptions go on, and afterwards all is
// as before, without a call.
func TestNATSIsRestarted(t *testing.T) {
	first := serve(t, server.Options{})
	port, db := port(first), newDatabase(t)
	one, two := newNode(t, db, at(first)), newNode(t, db, at(first))
	c := two.follow(app)
	mine, theirs := one.bus.Subscribe(app), two.bus.Subscribe(app)
	bustest.Reach(t, one.bus, app, theirs)
	one.commit(app, number(1))
	expect(t, c, number, 1, 1)

	stop(first)
	for _, n := range []*node{one, two} {
		natstest.Await(t, "the bus is away", func() bool { return n.bus.Degraded() != nil })
	}
	drain(mine)
	one.bus.Publish(app, 1, chime.Event{Type: chime.EventTyping})
	if messages, _ := mine.Poll(); len(messages) != 1 {
		t.Errorf("%d messages in the node that publishes, without NATS", len(messages))
	}
	one.commit(app, number(2)) // is not announced
	one.commit(app, number(3))
	natstest.Await(t, "the losses are counted", func() bool { return one.bus.Stats().Lost["away"] >= 3 })

	serve(t, server.Options{Port: port})
	expect(t, c, number, 2, 3) // by Behind, when there is a connection
	for _, n := range []*node{one, two} {
		natstest.Await(t, "the bus is back", func() bool { return n.bus.Degraded() == nil })
	}
	bustest.Reach(t, one.bus, app, theirs)
	one.commit(app, number(4))
	expect(t, c, number, 4, 4)
	if st := two.bus.Stats(); st.Disconnects != 1 || !st.Connected {
		t.Errorf("%+v", st)
	}
}

func drain(s bus.Subscription) {
	for {
		if messages, _ := s.Poll(); len(messages) == 0 {
			return
		}
	}
}

// TestAFrozenNATSIsAway although its connection stays.
func TestAFrozenNATSIsAway(t *testing.T) {
	t.Parallel() // it takes some seconds
	s := serve(t, server.Options{})
	w := newWire(t, s)
	b := open(t, w.options())
	w.hold()
	natstest.Await(t, "the bus is away", func() bool { return b.Degraded() != nil })
	w.goOn()
	natstest.Await(t, "the bus is back", func() bool { return b.Degraded() == nil })
}

// TestSeveralServers: a node goes to another server of its list when its own ends.
func TestSeveralServers(t *testing.T) {
	one, two := serve(t, server.Options{}), serve(t, server.Options{})
	o := at(one)
	o.URLs = append(o.URLs, two.ClientURL())
	b := open(t, o)
	away, other := one, two
	if two.NumClients() > 0 {
		away, other = two, one
	}
	stop(away)
	natstest.Await(t, "the other server has the node", func() bool { return other.NumClients() == 1 && b.Degraded() == nil })
}
