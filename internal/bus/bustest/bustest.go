// Package bustest shows that a bus keeps the contract of package bus. A bus's test is a call of Run.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
)

// Run shows that the bus keeps the contract. fresh makes one for each test.
func Run(t *testing.T, fresh func(t *testing.T) bus.Bus) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b bus.Bus)
	}{
		{"InOrder", inOrder},
		{"AppInstancesAreApart", apart},
		{"EventsStayTheCallers", callersOwn},
		{"FromSubscribeUntilClose", fromSubscribeUntilClose},
		{"Wakes", wakes},
		{"NothingWaits", nothingWaits},
		{"EphemeralBetweenLogged", ephemeralBetweenLogged},
		{"StreamsAgree", streamsAgree},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
	}
}

const app = "app"

func event(text string) chime.Event {
	return chime.Event{Type: chime.EventTyping, Topic: chime.Topic{App: app, Channel: "c"}, Payload: []byte(text)}
}

// got lists what a subscription has, as "after:text".
func got(s bus.Subscription) (list []string) {
	for {
		messages, _ := s.Poll()
		if len(messages) == 0 {
			return list
		}
		for _, m := range messages {
			for _, e := range m.Events {
				list = append(list, fmt.Sprintf("%d:%s", m.After, e.Payload))
			}
		}
	}
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func inOrder(t *testing.T, b bus.Bus) {
	one, two := b.Subscribe(app), b.Subscribe(app)
	b.Publish(app, 1, event("a"))
	b.Publish(app, 7, event("b"), event("c"))
	b.Publish(app, 3, event("d"))
	want := []string{"1:a", "7:b", "7:c", "3:d"}
	same(t, "one", got(one), want)
	same(t, "two", got(two), want)
	same(t, "again", got(one), nil)
	b.Publish(app, 8, event("e"))
	same(t, "later", got(one), []string{"8:e"})
}

func apart(t *testing.T, b bus.Bus) {
	s, other := b.Subscribe(app), b.Subscribe("other")
	b.Publish(app, 0, event("a"))
	b.Publish("other", 0, event("b"))
	same(t, "one", got(s), []string{"0:a"})
	same(t, "the other", got(other), []string{"0:b"})
}

func callersOwn(t *testing.T, b bus.Bus) {
	s := b.Subscribe(app)
	mine := []chime.Event{event("a")}
	b.Publish(app, 5, mine...)
	if mine[0].Ephemeral || mine[0].Position != 0 {
		t.Errorf("the caller's event became %+v", mine[0])
	}
	mine[0].Type = "changed"
	messages, _ := s.Poll()
	if e := messages[0].Events[0]; !e.Ephemeral || e.Type != chime.EventTyping {
		t.Errorf("got %+v", e)
	}
}

func fromSubscribeUntilClose(t *testing.T, b bus.Bus) {
	b.Publish(app, 0, event("before"))
	s, stays := b.Subscribe(app), b.Subscribe(app)
	b.Publish(app, 0)
	b.Publish(app, 0, event("a"))
	same(t, "from the beginning", got(s), []string{"0:a"})
	s.Close()
	s.Close()
	b.Publish(app, 0, event("after"))
	same(t, "after Close", got(s), nil)
	same(t, "of one that stays", got(stays), []string{"0:a", "0:after"})
}

func wakes(t *testing.T, b bus.Bus) {
	s := b.Subscribe(app)
	_, wake := s.Poll()
	select {
	case <-wake:
		t.Error("woken for nothing")
	default:
	}
	b.Publish(app, 0, event("a"))
	<-wake
	same(t, "when woken", got(s), []string{"0:a"})
}

// nothingWaits publishes more than a subscription may keep, and finds the latest.
func nothingWaits(t *testing.T, b bus.Bus) {
	s := b.Subscribe(app)
	large := event(string(make([]byte, 1<<20)))
	for n := range 20_000 {
		b.Publish(app, uint64(n), event("x"))
	}
	for n := range 100 {
		b.Publish(app, uint64(n), large)
	}
	messages, _ := s.Poll()
	size := 0
	for _, m := range messages {
		for _, e := range m.Events {
			size += len(e.Payload)
		}
	}
	if len(messages) == 0 || messages[len(messages)-1].After != 99 || size > 64<<20 {
		t.Errorf("%d messages of %d bytes", len(messages), size)
	}
}

// log is the log of an app instance in memory.
type log struct {
	mu     sync.Mutex
	events []*chime.Event
	wake   chan struct{}
}

func newLog() *log { return &log{wake: make(chan struct{})} }

// append adds an event and returns its position.
func (l *log) append(text string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := event(text)
	e.Type, e.Position = chime.EventUpdateChannel, uint64(len(l.events)+1)
	l.events = append(l.events, &e)
	close(l.wake)
	l.wake = make(chan struct{})
	return e.Position
}

func (l *log) end() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.events))
}

// cursor reads it from the beginning.
type cursor struct {
	*log
	next int
}

func (c *cursor) Poll() ([]*chime.Event, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	events := slices.Clone(c.events[c.next:])
	c.next = len(c.events)
	return events, c.wake, nil
}

func (c *cursor) Close() {}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// ready lists what a stream has, as "position:text" with a tilde for ephemeral events.
func ready(t *testing.T, s *bus.Stream) (list []string) {
	t.Helper()
	for {
		events, err := s.Next(ended())
		if errors.Is(err, context.Canceled) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			mark := ""
			if e.Ephemeral {
				mark = "~"
			}
			list = append(list, fmt.Sprintf("%d:%s%s", e.Position, mark, e.Payload))
		}
	}
}

// ephemeralBetweenLogged: an ephemeral event is after what the log had when it was published, and before
// what the log gets afterwards.
func ephemeralBetweenLogged(t *testing.T, b bus.Bus) {
	l := newLog()
	s := bus.NewStream(&cursor{log: l}, 0, b.Subscribe(app))
	defer s.Close()
	b.Publish(app, 0, event("x"))
	l.append("a")
	b.Publish(app, 1, event("y"), event("z"))
	l.append("b")
	b.Publish(app, 1, event("concurrent"))
	b.Publish(app, 2, event("end"))
	same(t, "order", ready(t, s), []string{"0:~x", "1:a", "1:~y", "1:~z", "1:~concurrent", "2:b", "2:~end"})
	b.Publish(app, 2, event("last"))
	same(t, "order", ready(t, s), []string{"2:~last"})
	b.Publish(app, 3, event("early"))
	b.Publish(app, 2, event("behind it"))
	same(t, "before its log is there", ready(t, s), nil)
	l.append("c")
	same(t, "when it is there", ready(t, s), []string{"3:c", "3:~early", "3:~behind it"})
}

// streamsAgree has writers publish and append at once: each stream sees every event, an ephemeral one
// after what the log had and before what its writer appended next.
func streamsAgree(t *testing.T, b bus.Bus) {
	const writers, rounds = 4, 200
	l := newLog()
	var streams []*bus.Stream
	for range 3 {
		streams = append(streams, bus.NewStream(&cursor{log: l}, 0, b.Subscribe(app)))
	}

	// Each round of a writer is published first and appended then, under one name.
	var working sync.WaitGroup
	for w := range writers {
		working.Go(func() {
			for n := range rounds {
				name := fmt.Sprintf("%d/%d", w, n)
				b.Publish(app, l.end(), event(name))
				l.append(name)
			}
		})
	}

	for _, s := range streams { // ends when it has seen all
		working.Go(func() {
			defer s.Close()
			seen := make(map[string]bool)
			for at := uint64(0); len(seen) < 2*writers*rounds; {
				events, err := s.Next(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range events {
					name := string(e.Payload)
					switch {
					case e.Ephemeral && e.Position != at:
						t.Errorf("an ephemeral event at %d comes after %d", e.Position, at)
					case !e.Ephemeral && e.Position != at+1:
						t.Errorf("event %d comes after %d", e.Position, at)
					case !e.Ephemeral && !seen["~"+name]:
						t.Errorf("%s came before what was published first", name)
					}
					if e.Ephemeral {
						name = "~" + name
					}
					at, seen[name] = e.Position, true
				}
			}
		})
	}
	working.Wait()
}
