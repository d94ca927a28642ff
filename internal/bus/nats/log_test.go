package nats_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-chat/carillon/internal/bus/nats"
	"github.com/carillon-chat/carillon/internal/bus/nats/natstest"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// database is what nodes share: logs, each with one writer at a time.
type database struct {
	*memstore.Store
	writing sync.Mutex
}

// node has feeds and a bus of its own.
type node struct {
	t     *testing.T
	db    *database
	feeds *store.Feeds
	bus   *nats.Bus
	told  chan string // logs that may have more
}

func newDatabase(t *testing.T) *database {
	db := &database{Store: memstore.New()}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newNode(t *testing.T, db *database, o nats.Options) *node {
	n := &node{t: t, db: db, told: make(chan string, 10_000)}
	n.feeds = store.NewFeeds(
		func(app string) (end uint64, err error) {
			return end, db.View(context.Background(), app, func(r store.Reader) error {
				end, err = r.Position()
				return err
			})
		},
		func(app string, after uint64, limit int) (list []*chime.Event, err error) {
			return list, db.View(context.Background(), app, func(r store.Reader) error {
				list, err = store.ReadEvents(r, app, after, limit)
				return err
			})
		})
	n.bus = begin(t, o)
	n.bus.Attach(n)
	t.Cleanup(n.feeds.Close)
	return n
}

// Announced implements nats.Log.
func (n *node) Announced(app string, events []chime.Event) { n.feeds.Publish(app, events) }

// Behind implements nats.Log.
func (n *node) Behind(app string) {
	n.poll(app)
	select {
	case n.told <- app:
	default:
	}
}

// poll publishes the latest event of the log: readers find those before it there.
func (n *node) poll(app string) {
	err := n.db.View(context.Background(), app, func(r store.Reader) error {
		end, err := r.Position()
		if err != nil || end == 0 {
			return err
		}
		e, err := store.ReadEvent(r, app, end)
		if err == nil {
			n.feeds.Publish(app, []chime.Event{*e})
		}
		return err
	})
	if err != nil {
		n.t.Error(err)
	}
}

// follow opens a cursor, of a node that has learned that the log may have more: it is connected.
func (n *node) follow(app string) store.Cursor {
	n.t.Helper()
	n.bus.Interest(app, true)
	for told := ""; told != app; {
		select {
		case told = <-n.told:
		case <-n.t.Context().Done():
			n.t.Fatal("NATS does not confirm the interest")
		}
	}
	return n.cursor(app)
}

func (n *node) cursor(app string) store.Cursor {
	n.t.Helper()
	c, err := n.feeds.Follow(app, 0)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.Close)
	return c
}

// commit appends events with the texts and announces them.
func (n *node) commit(app string, texts ...string) {
	n.db.writing.Lock()
	defer n.db.writing.Unlock()
	var events []chime.Event
	err := n.db.Update(context.Background(), app, func(tx store.Tx) error {
		for _, text := range texts {
			e := chime.Event{Type: chime.EventUpdateChannel, Topic: chime.Topic{App: app, Channel: "c"}, Payload: []byte(text)}
			position, err := tx.Append(e)
			if err != nil {
				return err
			}
			e.Position = position
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		n.t.Error(err)
		return
	}
	n.feeds.Publish(app, events)
	n.bus.Announce(app, events)
}

// expect reads the events from a position up to another: none is missing, doubled or elsewhere.
func expect(t *testing.T, c store.Cursor, text func(position uint64) string, next, upTo uint64) {
	t.Helper()
	for next <= upTo {
		events, err := c.Next(t.Context())
		if err != nil {
			t.Fatalf("after %d events: %v", next-1, err)
		}
		for _, e := range events {
			if e.Position != next || string(e.Payload) != text(next) {
				t.Fatalf("%d:%s comes as event %d", e.Position, e.Payload, next)
			}
			next++
		}
	}
}

func number(position uint64) string { return fmt.Sprint("event ", position) }

func TestWhatANodeCommitsComesToTheOthers(t *testing.T) {
	s := serve(t, server.Options{})
	db := newDatabase(t)
	one, two, three := newNode(t, db, at(s)), newNode(t, db, at(s)), newNode(t, db, at(s))
	for _, log := range []string{app, ""} { // "" is the account's
		first, second := two.follow(log), three.follow(log)
		end := uint64(0)
		for _, n := range []*node{two, three} {
			end = reach(one, n, log, end)
		}

		// From here on all announcements come.
		received := two.bus.Stats().Received["log"] + three.bus.Stats().Received["log"]
		for range 100 {
			one.commit(log, number(end+1), number(end+2))
			one.commit(log, number(end+3))
			end += 3
		}
		expect(t, first, number, 1, end)
		expect(t, second, number, 1, end)
		natstest.Await(t, "all announcements come", func() bool {
			return two.bus.Stats().Received["log"]+three.bus.Stats().Received["log"] == received+2*200
		})
	}
}

// reach commits events until one has been announced to the other node. Then all are, but for those that are
// lost. end is the position of the latest event.
func reach(from, to *node, log string, end uint64) uint64 {
	const again = 50 * time.Millisecond
	for {
		before := to.bus.Stats().Received["log"]
		end++
		from.commit(log, number(end))
		for since := time.Now(); time.Since(since) < again; <-time.After(time.Millisecond) {
			if to.bus.Stats().Received["log"] > before {
				return end
			}
		}
	}
}

// An event that NATS does not take is read from the log, and those around it come as they are.
func TestEventsThatAreTooLargeAreReadFromTheLog(t *testing.T) {
	s := serve(t, server.Options{MaxPayload: 4096})
	db := newDatabase(t)
	one, two := newNode(t, db, at(s)), newNode(t, db, at(s))
	c := two.follow(app)
	text := func(position uint64) string {
		if position%10 == 0 {
			return strings.Repeat("long ", 2000)
		}
		return strings.Repeat("short ", 100)
	}
	for position := uint64(1); position <= 60; position += 20 {
		var texts []string
		for i := range uint64(20) {
			texts = append(texts, text(position+i))
		}
		one.commit(app, texts...)
	}
	expect(t, c, text, 1, 60)
	if lost := one.bus.Stats().Lost; lost["size"]+lost["away"]+lost["queue"] > 0 {
		t.Errorf("lost: %v", lost)
	}
}

// TestANodeThatLags drops messages, keeps the order and misses no event of the log.
func TestANodeThatLags(t *testing.T) {
	s := serve(t, server.Options{})
	db := newDatabase(t)
	one, two := newNode(t, db, at(s)), newNode(t, db, at(s))
	c := two.follow(app)
	end := reach(one, two, app, 0)

	// Its log takes nothing for a while.
	gate := &held{Log: two, may: make(chan struct{})}
	two.bus.Attach(gate)
	for range 3000 {
		end++
		one.commit(app, number(end))
	}
	natstest.Await(t, "messages are dropped", func() bool { return two.bus.Stats().Lost["slow"] > 0 })
	close(gate.may)
	two.poll(app) // as it does now and then: the last message may be among those
	expect(t, c, number, 1, end)
}

// held is a log that takes nothing until it may.
type held struct {
	nats.Log
	may chan struct{}
}

func (h *held) Announced(app string, events []chime.Event) {
	<-h.may
	h.Log.Announced(app, events)
}
