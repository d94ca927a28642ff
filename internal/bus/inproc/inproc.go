// Package inproc is a bus within one process, for a store that one node uses.
package inproc

import (
	"slices"
	"sync"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
)

// A subscription that is not polled keeps about this much.
const (
	maxMessages = 8192
	maxBytes    = 32 << 20 // of payloads
)

// Bus is a bus.Bus.
type Bus struct {
	mu   sync.Mutex
	subs map[string][]*subscription // by app instance
}

// New makes a Bus without subscriptions.
func New() *Bus { return &Bus{subs: make(map[string][]*subscription)} }

// Publish implements bus.Bus.
func (b *Bus) Publish(app string, after uint64, events ...chime.Event) {
	if len(events) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	subs := b.subs[app]
	if len(subs) == 0 {
		return
	}
	m := bus.Message{After: after, Events: bus.Own(events)}
	for _, s := range subs {
		s.add(m)
	}
}

// Subscribe implements bus.Bus.
func (b *Bus) Subscribe(app string) bus.Subscription {
	s := &subscription{bus: b, app: app}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[app] = append(b.subs[app], s)
	return s
}

// subscription is a bus.Subscription. The lock of its bus guards it.
type subscription struct {
	bus      *Bus
	app      string
	messages []bus.Message
	bytes    int           // of their payloads
	wake     chan struct{} // closed by the next message; nil when Poll gave none out
}

func (s *subscription) add(m bus.Message) {
	s.messages = append(s.messages, m)
	s.bytes += size(m)
	for len(s.messages) > maxMessages || s.bytes > maxBytes && len(s.messages) > 1 {
		s.bytes -= size(s.messages[0])
		s.messages[0] = bus.Message{}
		s.messages = s.messages[1:]
	}
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

func size(m bus.Message) (n int) {
	for _, e := range m.Events {
		n += len(e.Payload)
	}
	return n
}

// Poll implements bus.Subscription.
func (s *subscription) Poll() ([]bus.Message, <-chan struct{}) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
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

// Close implements bus.Subscription.
func (s *subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	s.messages, s.bytes = nil, 0
	left := slices.DeleteFunc(s.bus.subs[s.app], func(other *subscription) bool { return other == s })
	if len(left) == 0 {
		delete(s.bus.subs, s.app)
		return
	}
	s.bus.subs[s.app] = left
}
