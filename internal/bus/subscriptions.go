package bus

import (
	"slices"
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
)

// A subscription that is not polled keeps about this much.
const (
	maxMessages = 8192
	maxBytes    = 32 << 20 // of payloads
)

// Subscriptions keeps the subscriptions of one process, for a Bus to deliver to. It is safe for concurrent
// use.
type Subscriptions struct {
	interest func(app string, on bool)

	mu   sync.Mutex
	open map[string][]*subscription // by app instance
}

// NewSubscriptions makes Subscriptions that have none yet. interest is called when the first subscription of an
// app instance is made and when the last is closed, one call after the other, and must not block; nil calls
// nothing.
func NewSubscriptions(interest func(app string, on bool)) *Subscriptions {
	return &Subscriptions{interest: interest, open: make(map[string][]*subscription)}
}

// Publish delivers copies of the events, which are the caller's: see Own.
func (s *Subscriptions) Publish(app string, after uint64, events []chime.Event) {
	if len(events) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open[app]) > 0 {
		s.deliver(app, Message{After: after, Events: Own(events)})
	}
}

// Deliver adds a message to the subscriptions of an app instance.
func (s *Subscriptions) Deliver(app string, m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliver(app, m)
}

func (s *Subscriptions) deliver(app string, m Message) {
	for _, sub := range s.open[app] {
		sub.add(m)
	}
}

// Subscribe implements Bus.
func (s *Subscriptions) Subscribe(app string) Subscription {
	sub := &subscription{all: s, app: app}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[app] = append(s.open[app], sub)
	if len(s.open[app]) == 1 && s.interest != nil {
		s.interest(app, true)
	}
	return sub
}

// remove forgets a subscription, which may be gone already.
func (s *Subscriptions) remove(sub *subscription) {
	before := len(s.open[sub.app])
	left := slices.DeleteFunc(s.open[sub.app], func(other *subscription) bool { return other == sub })
	if len(left) > 0 {
		s.open[sub.app] = left
		return
	}
	delete(s.open, sub.app)
	if before > 0 && s.interest != nil {
		s.interest(sub.app, false)
	}
}

// subscription is a Subscription. The lock of its Subscriptions guards it.
type subscription struct {
	all      *Subscriptions
	app      string
	messages []Message
	bytes    int           // of their payloads
	wake     chan struct{} // closed by the next message; nil when Poll gave none out
}

func (s *subscription) add(m Message) {
	s.messages = append(s.messages, m)
	s.bytes += size(m)
	for len(s.messages) > maxMessages || s.bytes > maxBytes && len(s.messages) > 1 {
		s.bytes -= size(s.messages[0])
		s.messages[0] = Message{}
		s.messages = s.messages[1:]
	}
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

func size(m Message) (n int) {
	for _, e := range m.Events {
		n += len(e.Payload)
	}
	return n
}

// Poll implements Subscription.
func (s *subscription) Poll() ([]Message, <-chan struct{}) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if len(s.messages) == 0 {
		if s.wake == nil {
			s.wake = make(chan struct{})
		}
		return nil, s.wake
	}
	messages := s.messages
	s.messages, s.bytes = nil, 0
	return messages, nil
}

// Close implements Subscription.
func (s *subscription) Close() {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.messages, s.bytes = nil, 0
	s.all.remove(s)
}
