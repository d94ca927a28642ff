package bustest

import (
	"strconv"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/bus"
)

// Pair is two nodes that have the same bus.
type Pair struct{ One, Other bus.Bus }

// RunBetween shows what holds between two nodes. fresh makes them for each test.
func RunBetween(t *testing.T, fresh func(t *testing.T) Pair) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, p Pair)
	}{
		{"InOrder", inOrderBetween},
		{"OwnOnce", ownOnce},
		{"AppInstancesAreApart", apartBetween},
		{"WhileThereAreSubscriptions", whileSubscribed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
	}
}

// Reach publishes events until the subscription, which is one of the other node, has one. Then it has all
// that are published afterwards, but for those that are lost.
func Reach(t *testing.T, from bus.Bus, app string, to bus.Subscription) {
	t.Helper()
	const probe = "probe"
	for n := uint64(1); ; n++ {
		from.Publish(app, n, event(probe))
		if until(t, to, func(m bus.Message) bool { return m.After == n && string(m.Events[0].Payload) == probe }) {
			return
		}
	}
}

// again is how long one attempt of something that may be lost waits.
const again = 50 * time.Millisecond

// until reads messages until one is the wanted one, or a while has passed without any.
func until(t *testing.T, s bus.Subscription, wanted func(bus.Message) bool) bool {
	t.Helper()
	for {
		messages, wake := s.Poll()
		for _, m := range messages {
			if wanted(m) {
				return true
			}
		}
		if len(messages) > 0 {
			continue
		}
		select {
		case <-wake:
		case <-time.After(again):
			return false
		case <-t.Context().Done():
			t.Fatal("the test has ended")
		}
	}
}

// inOrderBetween publishes numbers in messages of several: none comes twice, or after a larger one.
func inOrderBetween(t *testing.T, p Pair) {
	s := p.Other.Subscribe(app)
	defer s.Close()
	Reach(t, p.One, app, s)

	const rounds = 200
	latest, came := -1, 0
	take := func(m bus.Message) bool {
		for _, e := range m.Events {
			n, err := strconv.Atoi(string(e.Payload))
			if err != nil || !e.Ephemeral || e.App != app {
				t.Fatalf("got %+v", e)
			}
			if n <= latest {
				t.Fatalf("%d comes after %d", n, latest)
			}
			latest, came = n, came+1
		}
		return latest == 2*rounds-1
	}
	for n := range rounds {
		p.One.Publish(app, uint64(n), event(strconv.Itoa(2*n)), event(strconv.Itoa(2*n+1)))
	}
	if !until(t, s, take) && came == 0 {
		t.Error("nothing came")
	}
}

// ownOnce: a node has each of its messages once, and at once.
func ownOnce(t *testing.T, p Pair) {
	mine, theirs := p.One.Subscribe(app), p.Other.Subscribe(app)
	defer mine.Close()
	defer theirs.Close()
	Reach(t, p.One, app, theirs)
	Reach(t, p.Other, app, mine)
	for until(t, mine, func(bus.Message) bool { return false }) { // what is left of that
	}
	p.One.Publish(app, 1, event("a"))
	same(t, "when Publish has returned", got(mine), []string{"1:a"})

	// What follows it on the same way shows that it does not come again.
	if !until(t, theirs, func(m bus.Message) bool { return string(m.Events[0].Payload) == "a" }) {
		Reach(t, p.One, app, theirs)
	}
	for n := uint64(2); ; n++ {
		p.Other.Publish(app, n, event("b"))
		if until(t, mine, func(m bus.Message) bool {
			if string(m.Events[0].Payload) == "a" {
				t.Error("a node has its own message twice")
			}
			return string(m.Events[0].Payload) == "b"
		}) {
			return
		}
	}
}

func apartBetween(t *testing.T, p Pair) {
	for _, other := range []string{"other", "with.dots and spaces", "*", ">", "app.more"} {
		s, o := p.Other.Subscribe(app), p.Other.Subscribe(other)
		Reach(t, p.One, app, s)
		Reach(t, p.One, other, o)
		if left := got(s); len(left) > 0 {
			t.Errorf("what was published to %q came to %q: %q", other, app, left)
		}
		s.Close()
		o.Close()
	}
}

// whileSubscribed: a node that has closed its last subscription can subscribe again.
func whileSubscribed(t *testing.T, p Pair) {
	for range 3 {
		one, two := p.Other.Subscribe(app), p.Other.Subscribe(app)
		Reach(t, p.One, app, one)
		two.Close()
		Reach(t, p.One, app, one)
		one.Close()
		one.Close()
		same(t, "after Close", got(one), nil)
	}
}
