// Package inproc is a bus within one process, for a store that one node uses.
package inproc

import (
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
)

// Bus is a bus.Bus.
type Bus struct{ subs *bus.Subscriptions }

// New makes a Bus without subscriptions.
func New() *Bus { return &Bus{bus.NewSubscriptions(nil)} }

// Publish implements bus.Bus.
func (b *Bus) Publish(app string, after uint64, events ...chime.Event) {
	b.subs.Publish(app, after, events)
}

// Subscribe implements bus.Bus.
func (b *Bus) Subscribe(app string) bus.Subscription { return b.subs.Subscribe(app) }
