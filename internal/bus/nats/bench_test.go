package nats_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-chat/carillon/internal/bus/nats/natstest"
	"github.com/carillon-chat/carillon/internal/chime"
)

// counting counts announced events.
type counting struct {
	position atomic.Uint64
	arrived  chan struct{}
}

func (c *counting) Announced(_ string, events []chime.Event) {
	c.position.Store(events[len(events)-1].Position)
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

func (c *counting) Behind(string) {}

// committed are events as a send of a message makes them.
func committed(from uint64, n int) (list []chime.Event) {
	for i := range uint64(n) {
		list = append(list, chime.Event{
			Position: from + i, Time: 1_700_000_000_000, Type: chime.EventCreateMessage, Topic: chime.Topic{App: app, Channel: "0b9d7a1e-2d5f-4b36-9a52-6d1a44a7a0c1"},
			MessageType: "STANDARD", Subject: "user/b2f7c1de-44c5-4c51-9c52-3a1f0f4bd1aa", Actor: "user/b2f7c1de-44c5-4c51-9c52-3a1f0f4bd1aa",
			Object: "00000000000000000000000000000000000000000000000000000000000000aa", ChannelID: "general", Payload: make([]byte, 700),
		})
	}
	return list
}

// BenchmarkAnnounce is what a commit pays for the bus: for each call, of one event or of several.
func BenchmarkAnnounce(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			node := open(b, at(serve(b, server.Options{})))
			events := committed(1, n)
			b.ReportAllocs()
			for b.Loop() {
				node.Announce(app, events)
			}
		})
	}
}

// BenchmarkBetween is the whole way of a call's events between two nodes through a server in the same process:
// queue, encoding, NATS, decoding. An operation is one call that has come, one after another.
func BenchmarkBetween(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := serve(b, server.Options{})
			from, to := open(b, at(s)), open(b, at(s))
			log := &counting{arrived: make(chan struct{}, 1)}
			to.Attach(log)
			to.Interest(app, true)
			natstest.Await(b, "the interest", func() bool {
				from.Announce(app, committed(1, 1))
				return log.position.Load() > 0
			})
			events := committed(1, n)
			position := uint64(1)
			b.ReportAllocs()
			for b.Loop() {
				for i := range events {
					position++
					events[i].Position = position
				}
				from.Announce(app, events)
				for log.position.Load() < position {
					<-log.arrived
				}
			}
		})
	}
}
