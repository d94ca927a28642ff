// Package dispatch carries committed events from the log to those who announce them. It promises:
//
//   - Events are handed on in the order of the log, and nothing uncommitted ever is.
//   - What was removed when an event is handed on is not in the event's payload.
//   - After Settle every sink knows of everything that was committed before.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Sink takes events in the order of the log. It must not block for long: the next events wait.
type Sink interface {
	Deliver(events []*chime.Event)
}

// Body makes the payload of an event whose own is not kept: see chime.Event.
type Body func(store.Reader, *chime.Event) ([]byte, error)

// Dispatcher follows the log of one store.
type Dispatcher struct {
	store  store.Store
	cursor store.Cursor
	body   Body
	sink   Sink

	mu    sync.Mutex
	at    uint64        // position of the last event that was handed on
	moved chan struct{} // closed when at grows or Run ends; nil when no caller waits
	ended bool
}

// New begins to follow the log: every event committed after New returns reaches the sink once
// Run is called.
func New(ctx context.Context, s store.Store, body Body, sink Sink) (*Dispatcher, error) {
	end, err := position(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("dispatch: %w", err)
	}
	cursor, err := s.Follow("", end)
	if err != nil {
		return nil, fmt.Errorf("dispatch: %w", err)
	}
	return &Dispatcher{store: s, cursor: cursor, body: body, sink: sink, at: end}, nil
}

func position(ctx context.Context, s store.Store) (end uint64, err error) {
	err = s.View(ctx, "", func(r store.Reader) (err error) {
		end, err = r.Position()
		return err
	})
	return end, err
}

// Run hands events on until ctx ends, which is no error, or the log cannot be read.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.reached(func() { d.ended = true })
	defer d.cursor.Close()
	for {
		events, err := d.cursor.Next(ctx)
		if err == nil {
			err = d.complete(ctx, events)
		}
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("dispatch: %w", err)
		}
		d.sink.Deliver(events)
		d.reached(func() { d.at = events[len(events)-1].Position })
	}
}

// complete puts events with payloads in the place of those that have none of their own. Events that
// are read as they are published all have theirs.
func (d *Dispatcher) complete(ctx context.Context, events []*chime.Event) error {
	first := 0
	for first < len(events) && !bare(events[first]) {
		first++
	}
	if first == len(events) {
		return nil
	}
	return d.store.View(ctx, "", func(r store.Reader) (err error) {
		for i, e := range events[first:] {
			if !bare(e) {
				continue
			}
			own := *e // events are shared
			if own.Payload, err = d.body(r, e); err != nil {
				return err
			}
			events[first+i] = &own
		}
		return nil
	})
}

func bare(e *chime.Event) bool { return e.Payload == nil && e.TellsContent() }

// reached notes a change and wakes the callers of Settle.
func (d *Dispatcher) reached(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
	if d.moved != nil {
		close(d.moved)
		d.moved = nil
	}
}

// Settle waits until the sink has every event that was committed before the call, or Run has ended.
func (d *Dispatcher) Settle(ctx context.Context) error {
	end, err := position(ctx, d.store)
	if err != nil {
		return err
	}
	for {
		moved := d.next(end)
		if moved == nil {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// next is closed with the next change, nil when the position is reached.
func (d *Dispatcher) next(position uint64) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at >= position || d.ended {
		return nil
	}
	if d.moved == nil {
		d.moved = make(chan struct{})
	}
	return d.moved
}
