// Package dispatch carries committed events from the log to those who announce them. It
// promises the order of the log and that nothing uncommitted is ever handed on.
package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Sink takes events in the order of the log. It must not block for long: the next events wait.
type Sink interface {
	Deliver(events []*chime.Event)
}

// Dispatcher follows the log of one store.
type Dispatcher struct {
	cursor store.Cursor
	sink   Sink
}

// New begins to follow the log: every event committed after New returns reaches the sink once
// Run is called.
func New(ctx context.Context, s store.Store, sink Sink) (*Dispatcher, error) {
	var end uint64
	err := s.View(ctx, func(r store.Reader) (err error) {
		end, err = r.Position()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dispatch: %w", err)
	}
	cursor, err := s.Follow(end)
	if err != nil {
		return nil, fmt.Errorf("dispatch: %w", err)
	}
	return &Dispatcher{cursor: cursor, sink: sink}, nil
}

// Run hands events on until ctx ends, which is no error, or the log cannot be read.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.cursor.Close()
	for {
		events, err := d.cursor.Next(ctx)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("dispatch: %w", err)
		}
		d.sink.Deliver(events)
	}
}
