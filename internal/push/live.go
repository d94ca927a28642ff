package push

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	maxQueued  = 10_000 // messages
	liveAtOnce = 8      // messages
	liveTries  = 3      // for each of them
)

// Queue has the messages that are not persistent and whose notifications are to be pushed. It is safe for
// concurrent use.
type Queue struct {
	messages chan queued
	dropped  atomic.Uint64
}

// queued is a message in a Queue.
type queued struct {
	app     string
	at      chime.ChannelEntry
	message *chime.Message
}

// NewQueue makes a Queue.
func NewQueue() *Queue { return &Queue{messages: make(chan queued, maxQueued)} }

// Notify queues a message. It does not block: a message for which there is no room is dropped.
func (q *Queue) Notify(app string, at chime.ChannelEntry, m *chime.Message) {
	select {
	case q.messages <- queued{app, at, m}:
	default:
		q.dropped.Add(1)
	}
}

// Dropped counts the messages for which there was no room since the node started.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Run pushes the notifications of the Queue until ctx ends; those that wait then are forgotten. It returns nil.
func (s *Service) Run(ctx context.Context) error {
	var working sync.WaitGroup
	for range liveAtOnce {
		working.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case q := <-s.o.Queue.messages:
					s.pushLive(ctx, q)
				}
			}
		})
	}
	working.Wait()
	return nil
}

// pushLive pushes the notification of one message for each application.
func (s *Service) pushLive(ctx context.Context, q queued) {
	e := &chime.Event{
		Ephemeral: true, Time: q.message.Updated, Type: chime.EventCreateMessage, Topic: chime.Topic{App: q.app, Channel: q.at.UID, Sub: q.at.Sub},
		Subject: q.message.Sender, Object: q.message.ID, ChannelID: q.at.ChannelID, Target: q.message.Target,
	}
	for _, p := range s.pushers {
		if err := p.pushOnce(ctx, s.source(e, *q.message)); err != nil && ctx.Err() == nil {
			p.log.Warn("push: a message that is not persistent was not pushed to all devices", "app_instance", q.app, "message", q.message.ID, "error", err)
		}
	}
}

// pushOnce pushes a notification of which nothing is written.
func (p *pusher) pushOnce(ctx context.Context, src *source) error {
	var from store.Key
	for {
		list, next, err := p.gather(ctx, src, from, roundSize)
		if err != nil {
			return err
		}
		if err := p.sendLive(ctx, src, list); err != nil {
			return err
		}
		if from = next; from == nil {
			return nil
		}
	}
}

// sendLive sends to devices, with some attempts for each.
func (p *pusher) sendLive(ctx context.Context, src *source, list []*delivery) error {
	for try := 1; len(list) > 0; try++ {
		p.send(ctx, list)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var left []*delivery
		settles := slices.ContainsFunc(list, func(d *delivery) bool { return d.ending > delivered })
		if settles {
			err := p.o.Store.Update(ctx, src.event.App, func(tx store.Tx) (err error) {
				left, err = p.settle(tx, list)
				return err
			})
			if err != nil {
				return err
			}
		} else {
			left = slices.DeleteFunc(slices.Clone(list), func(d *delivery) bool { return d.ending != again })
		}
		p.tally(list)
		if list = left; len(list) == 0 {
			break
		}
		if try == liveTries {
			return leftError(list)
		}
		p.o.Sleep(ctx, time.Second<<try)
	}
	return nil
}

// leftError is why devices are to be tried again, of which there is one at least.
func leftError(left []*delivery) error {
	reason := "the push service asked to wait"
	if i := slices.IndexFunc(left, func(d *delivery) bool { return d.fault != nil }); i >= 0 {
		reason = left[i].fault.Reason
	}
	return fmt.Errorf("%d devices could not be sent a notification: %s", len(left), reason)
}
