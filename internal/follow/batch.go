package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// batch is a part of the log: the events in it that the follower wants, and where it ends.
type batch struct {
	events []*chime.Event
	end    uint64
}

// cut takes a batch from the beginning of events, of which there is at least one.
func (w *worker) cut(events []*chime.Event) (b batch, rest []*chime.Event) {
	for i, e := range events {
		wanted := logged(e) && (w.Wants == nil || w.Wants(e))
		if wanted && len(b.events) == w.BatchEvents {
			return b, events[i:]
		}
		if b.end = e.Position; wanted {
			b.events = append(b.events, e)
		}
	}
	return b, nil
}

// deliver has the follower handle a batch: what fails is tried again, in smaller parts and with growing
// waits, until it is handled or one event is given up. Positions are written as parts are done.
func (w *worker) deliver(ctx context.Context, b batch) error {
	if !w.o.alone {
		if err := w.claim.confirm(ctx); err != nil {
			return err
		}
	}

	left, size := b.events, len(b.events)
	failures, alone := 0, 0 // in a row: of parts that begin with left[0], and of left[0] by itself
	for len(left) > 0 {
		n, idle, failed := w.attempt(ctx, left[:min(size, len(left))], failures > 0, w.seen)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		end := b.end
		if n < len(left) {
			end = left[n-1].Position
		}

		// After a success go on with larger parts.
		if failed == nil {
			if idle {
				w.reach(end)
			} else {
				if err := w.claim.save(ctx, end); err != nil {
					return err
				}
				w.reached.Store(end)
			}
			left, size, failures, alone = left[n:], 2*size, 0, 0
			continue
		}

		// Another node goes on with them.
		if errors.Is(failed, ErrFenced) {
			return failed
		}

		// After a failure try the same again once, and then a smaller part, down to one event.
		failures++
		if n == 1 {
			alone++
		}
		w.failed(left[0], failures, failed)
		if w.MaxAttempts > 0 && alone >= w.MaxAttempts {
			if err := w.bury(ctx, left[0], end, alone, failed); err != nil {
				return err
			}
			w.reached.Store(end)
			left, failures, alone = left[1:], 0, 0
			continue
		}
		if failures > 1 {
			size = max(1, n/2)
		}
		Sleep(ctx, w.o.Backoff.Wait(failures))
	}
	return nil
}

// attempt calls Handle once, for as many of the events as its bound of bytes has room for, and reports
// for how many, and whether they left nothing to do. again says that they were tried before, and seen how often Runner.Reread had been called when
// they were read.
func (w *worker) attempt(ctx context.Context, events []*chime.Event, again bool, seen uint64) (n int, idle bool, err error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return 0, false, context.Cause(ctx)
	}
	again = again || w.rereads.Load() != seen
	if events, err = w.complete(ctx, events, again); err != nil {
		return len(events), false, err
	}
	for bytes := 0; n < len(events); n++ {
		if bytes += len(events[n].Payload); n > 0 && bytes > w.BatchBytes {
			break
		}
	}
	err = w.handle(ctx, events[:n])
	if idle = errors.Is(err, ErrNothing); idle {
		err = nil
	}
	if err == nil {
		w.setFailure(nil)
	}
	return n, idle, err
}

// handle turns a panic of the follower into an error, so that it takes nothing else with it.
func (w *worker) handle(ctx context.Context, events []*chime.Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return w.Handle(ctx, w.app, events)
}

// complete gives events their payloads that have none of their own. When time has passed since they were read,
// they are read again, and those of messages are made anew: content may have been removed meanwhile, and names
// from the log.
func (w *worker) complete(ctx context.Context, events []*chime.Event, again bool) ([]*chime.Event, error) {
	if !again && (w.o.Body == nil || !slices.ContainsFunc(events, (*chime.Event).LacksContent)) {
		return events, nil
	}

	// All is of one moment.
	own := slices.Clone(events)
	err := w.o.Store.View(ctx, w.app, func(r store.Reader) error {
		if again {
			if err := reread(r, w.app, events, own); err != nil {
				return err
			}
		}
		if w.o.Body == nil {
			return nil
		}
		return w.o.Body.Complete(r, own, again)
	})
	return own, err
}

// reread reads events again, as far as the log still has them.
func reread(r store.Reader, app string, events, into []*chime.Event) error {
	for i, e := range events {
		now, err := store.ReadEvent(r, app, e.Position)
		switch {
		case errors.Is(err, store.ErrTrimmed): // what was read is all that there is
		case err != nil:
			return err
		default:
			into[i] = now
		}
	}
	return nil
}

// failed notes a failed attempt. The first of a row is logged.
func (w *worker) failed(first *chime.Event, attempts int, err error) {
	w.counts.retries.Add(1)
	w.setFailure(&Failure{Position: first.Position, Attempts: attempts, Error: brief(err)})
	if attempts == 1 {
		w.log.Warn("follower: failed, will retry", "position", first.Position, "error", err)
	}
}

func (w *worker) setFailure(f *Failure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failure = f
}

// maxError bounds what is kept of an error's text, in bytes.
const maxError = 512

func brief(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxError)], "")
}
