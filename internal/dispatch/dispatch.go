// Package dispatch carries committed events from the logs, and ephemeral ones from the bus, to their
// announcers. It promises:
//
//   - The log of an app instance is followed while a caller asks for it, at its own pace: what is handed
//     on for one does not delay another.
//   - Events are handed on in the order of their log, and nothing uncommitted ever is. Ephemeral events
//     have their place between them: see bus.Stream.
//   - What was removed when an event is handed on is not in the event's payload.
//   - After Settle every sink knows of everything that was committed before in the app instance.
package dispatch

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/store"
)

// Sink takes the events of each log that is followed in their order. It must not block for long: the
// next events of the log wait. Calls for different app instances are concurrent.
type Sink interface {
	Deliver(events []*chime.Event)
}

// Dispatcher follows logs of one store.
type Dispatcher struct {
	store store.Store
	bus   bus.Bus
	body  store.Body
	sink  Sink

	ctx    context.Context // of all that is followed; ended by Run
	cancel context.CancelCauseFunc

	work sync.WaitGroup

	mu    lockorder.Mutex[lockorder.Leaf]
	logs  map[string]*log // that are followed, by app instance
	ended bool            // Run has returned: none is followed any more
}

// log is one that is followed.
type log struct {
	app    string
	events *bus.Stream
	done   chan struct{} // closed when no more events are handed on

	mu    lockorder.Mutex[lockorder.Leaf]
	at    uint64        // position of the last event that was handed on
	moved chan struct{} // closed when at grows; nil when no caller waits
}

// New makes a Dispatcher that follows no log yet.
func New(s store.Store, b bus.Bus, body store.Body, sink Sink) *Dispatcher {
	d := &Dispatcher{store: s, bus: b, body: body, sink: sink, logs: make(map[string]*log)}
	d.ctx, d.cancel = context.WithCancelCause(context.Background())
	return d
}

// Run waits until ctx ends, for which it returns nil, or a log cannot be read. Then nothing is
// followed any more.
func (d *Dispatcher) Run(ctx context.Context) (err error) {
	select {
	case <-ctx.Done():
	case <-d.ctx.Done():
		err = context.Cause(d.ctx)
	}
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.cancel(context.Canceled)
	d.work.Wait()
	return err
}

// Follow has the sink get every event of an app instance that is committed after the position that it
// returns, until stop is called. A log that is followed already is waited for.
func (d *Dispatcher) Follow(ctx context.Context, app string) (after uint64, stop func(), err error) {
	l := &log{app: app, done: make(chan struct{})}
	if err := d.add(ctx, l); err != nil {
		return 0, nil, fmt.Errorf("dispatch: %w", err)
	}
	if after, err = d.open(ctx, l); err != nil {
		d.remove(l)
		return 0, nil, fmt.Errorf("dispatch: %w", err)
	}

	l.reach(after)
	following, stop := context.WithCancel(d.ctx)
	go func() {
		defer d.remove(l)
		if err := d.follow(following, l); err != nil {
			d.cancel(fmt.Errorf("dispatch: %w", err))
		}
	}()
	return after, stop, nil
}

// open begins to read, from what is committed now.
func (d *Dispatcher) open(ctx context.Context, l *log) (after uint64, err error) {
	live := d.bus.Subscribe(l.app)
	after, err = position(ctx, d.store, l.app)
	if err == nil {
		var cursor store.Cursor
		if cursor, err = d.store.Follow(l.app, after); err == nil {
			l.events = bus.NewStream(cursor, after, live)
			return after, nil
		}
	}
	live.Close()
	return 0, err
}

// add waits until the log is not followed and then takes its place.
func (d *Dispatcher) add(ctx context.Context, l *log) error {
	for {
		d.mu.Lock()
		if d.ended {
			d.mu.Unlock()
			return store.ErrUnavailable
		}
		before := d.logs[l.app]
		if before == nil {
			d.logs[l.app] = l
			d.work.Add(1)
			d.mu.Unlock()
			return nil
		}
		d.mu.Unlock()
		select {
		case <-before.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// remove gives the place up.
func (d *Dispatcher) remove(l *log) {
	if l.events != nil {
		l.events.Close()
	}
	d.mu.Lock()
	delete(d.logs, l.app)
	d.mu.Unlock()
	close(l.done)
	d.work.Done()
}

func position(ctx context.Context, s store.Store, app string) (end uint64, err error) {
	err = s.View(ctx, app, func(r store.Reader) (err error) {
		end, err = r.Position()
		return err
	})
	return end, err
}

// follow hands events on until ctx ends, for which it returns nil, or the log cannot be read.
func (d *Dispatcher) follow(ctx context.Context, l *log) error {
	for {
		events, err := l.events.Next(ctx)
		if err == nil {
			err = d.complete(ctx, l.app, events)
		}
		if ctx.Err() != nil { // the sink has got all that it wants
			return nil
		}
		if err != nil {
			return err
		}
		d.sink.Deliver(events)
		l.reach(events[len(events)-1].Position)
	}
}

// complete gives events their payloads that have none. Events that are read as they are published all
// have theirs.
func (d *Dispatcher) complete(ctx context.Context, app string, events []*chime.Event) error {
	if !slices.ContainsFunc(events, (*chime.Event).LacksContent) {
		return nil
	}
	return d.store.View(ctx, app, func(r store.Reader) error { return d.body.Complete(r, events, false) })
}

// reach notes how far the log was handed on.
func (l *log) reach(position uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = position
	if l.moved != nil {
		close(l.moved)
		l.moved = nil
	}
}

// next is closed with the next change, nil when the position is reached.
func (l *log) next(position uint64) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at >= position {
		return nil
	}
	if l.moved == nil {
		l.moved = make(chan struct{})
	}
	return l.moved
}

// Settle waits until the sink has every event of an app instance that was committed before the call,
// or the log is not followed.
func (d *Dispatcher) Settle(ctx context.Context, app string) error {
	d.mu.Lock()
	l := d.logs[app]
	d.mu.Unlock()
	if l == nil {
		return nil
	}
	end, err := position(ctx, d.store, app)
	if err != nil {
		return err
	}
	for {
		moved := l.next(end)
		if moved == nil {
			return nil
		}
		select {
		case <-moved:
		case <-l.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
