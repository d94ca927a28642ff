package follow

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// counts are what a node counts of one follower, over all app instances.
type counts struct {
	retries, lost atomic.Uint64
}

// worker works for one follower in one app instance.
type worker struct {
	*Follower
	o      *Options
	app    string
	claim  claim
	counts *counts
	log    *slog.Logger
	turn   chan struct{} // holds one token: for a call of Handle
	stop   context.CancelFunc
	done   chan struct{} // closed when run has returned

	reached atomic.Uint64 // position up to which nothing is left to do, while the lease is held
	unsaved time.Time     // since when reached is ahead of what is written
	wait    wait
	rereads atomic.Uint64 // calls of Runner.Reread
	seen    uint64        // of them, when the events at hand were read

	mu      sync.Mutex
	failure *Failure                // of the latest attempt, nil when it succeeded
	restart context.CancelCauseFunc // ends the holding of the lease, which begins anew
}

// Failure is what keeps a follower from going on in an app instance.
type Failure struct {
	Position uint64 // of the first event that was tried
	Attempts int    // in a row
	Error    string
}

func newWorker(o *Options, f *Follower, app string, c *counts) *worker {
	return &worker{
		Follower: f, o: o, app: app, counts: c, turn: make(chan struct{}, 1), done: make(chan struct{}),
		claim: claim{store: o.Store, nodes: o.Nodes, app: app, follower: f.Name, start: f.Start},
		log:   o.Log.With("follower", f.Name, "app_instance", app),
	}
}

// run works until ctx ends, or the app instance is deleted or the follower is no more.
func (w *worker) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		held, stop, err := w.o.Nodes.Hold(ctx)
		if err != nil {
			return // ctx has ended
		}
		held, restart := context.WithCancelCause(held)
		w.setRestart(restart)
		err = w.hold(held)
		lost := context.Cause(held) // nil when the work has failed
		restart(context.Canceled)
		stop()
		if ctx.Err() != nil {
			w.finish(ctx)
			return
		}
		switch {
		case errors.Is(err, errDeleted) || errors.Is(err, errEnded):
			return
		case errors.Is(lost, errRewound):
			failures = 0
		case errors.Is(err, errUnborn):
			if _, err := w.waitForEvents(ctx, 0); err != nil { // its creation is the first
				Sleep(ctx, w.o.Backoff.First)
			}
		case errors.Is(err, ErrFenced) || lost != nil:
			w.log.Warn("follower: lost the lease", "error", cmp.Or(lost, err))
			failures = 0
		default: // of the store
			failures++
			wait := w.o.Backoff.Wait(failures)
			w.log.Error("follower: cannot work, will retry", "error", err, "after", wait)
			Sleep(ctx, wait)
		}
	}
}

func (w *worker) setRestart(restart context.CancelCauseFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restart = restart
}

// lose ends the work under the lease, which begins anew.
func (w *worker) lose(why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.restart != nil {
		w.restart(why)
	}
}

// hold takes the lease and works until it is lost.
func (w *worker) hold(ctx context.Context) error {
	if err := w.acquire(ctx); err != nil {
		return err
	}
	if !w.o.alone {
		ctx = context.WithValue(ctx, fenceKey{}, w)
	}
	end := w.begin(ctx)
	defer end()
	return w.work(ctx)
}

// finishTimeout bounds how long the end of the work waits for the store.
const finishTimeout = 5 * time.Second

// finish writes the last position when the work ends, else its events are handled again. The lease is given
// back only where the node goes on without the follower: what a node holds that stops is free.
func (w *worker) finish(ctx context.Context) {
	if !w.claim.isHeld() {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if w.ahead() {
		_ = w.claim.save(last, w.reached.Load())
	}
	if !w.o.alone && errors.Is(context.Cause(ctx), errEnded) {
		_ = w.claim.give(last)
	}
	w.claim.drop()
}

// begin calls Begin, and returns what ends that.
func (w *worker) begin(ctx context.Context) (end func()) {
	if w.Begin == nil {
		return func() {}
	}
	ctx, stop := context.WithCancel(ctx)
	finish := w.Begin(ctx, w.app)
	return func() { stop(); finish() }
}

// lookAgain is how often a node looks at a lease that a living node holds: that may have given it back, or have
// nothing to do. Half of it is longer than confirmWithin.
const lookAgain = time.Minute

// acquire waits until this node has the lease. One that another node holds it takes where that is preferred,
// when the other had nothing to do for long enough to ask before it does something.
func (w *worker) acquire(ctx context.Context) error {
	var before chime.Following
	var since time.Time
	for {
		changed := w.o.Nodes.Changed() // from before the look
		record, found, free, err := w.claim.read(ctx)
		if err != nil {
			return err
		}
		if record != before {
			before, since = record, time.Now()
		}
		idle := !free && w.Begin == nil && time.Since(since) >= lookAgain/2 && w.o.Nodes.Prefers(w.app)
		if free || idle {
			taken, err := w.claim.take(ctx, record, found, idle)
			if taken || err != nil {
				w.reached.Store(w.claim.saved())
				return err
			}
		}
		if free {
			continue // the record has changed
		}

		// Nodes do not look all at once.
		wake(ctx, changed, w.o.Backoff.jitter(lookAgain))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// waitForEvents waits until the app instance's log goes on after the position, and reports whether it
// had to wait.
func (w *worker) waitForEvents(ctx context.Context, after uint64) (idle bool, err error) {
	cursor, err := w.o.Store.Follow(w.app, after)
	if errors.Is(err, store.ErrTrimmed) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer cursor.Close()

	// The first look does not wait, so that idle reports whether a wait was needed.
	for {
		now, cancel := context.WithCancel(ctx)
		if !idle {
			cancel() // what is there is returned all the same
		}
		events, err := cursor.Next(now)
		cancel()
		switch {
		case ctx.Err() != nil:
			return idle, ctx.Err()
		case errors.Is(err, store.ErrTrimmed):
			return idle, nil
		case errors.Is(err, context.Canceled):
			idle = true
		case err != nil:
			return idle, err
		}
		if slices.ContainsFunc(events, logged) {
			return idle, nil
		}
	}
}

// logged reports whether the event is in the log: others are handed out with it.
func logged(e *chime.Event) bool { return !e.Ephemeral }

// work hands events to the follower until the lease is lost.
func (w *worker) work(ctx context.Context) error {
	for {
		cursor, err := w.o.Store.Follow(w.app, w.reached.Load())
		if err == nil {
			err = w.read(ctx, cursor)
			cursor.Close()
		}
		if errors.Is(err, store.ErrTrimmed) {
			err = w.skipTrimmed(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// saveWithin is how long a position may be ahead of what is written while nothing is left to do.
const saveWithin = 5 * time.Second

// maxAge is how long an event that was read may wait for its turn: what it says may be removed meanwhile.
const maxAge = time.Second

// read works with one cursor, until it is time for another or the lease is lost.
func (w *worker) read(ctx context.Context, cursor store.Cursor) error {
	defer w.unbind()
	for {
		w.seen = w.rereads.Load()
		events, err := w.next(ctx, cursor)
		if err != nil {
			return err
		}
		for came := time.Now(); len(events) > 0; {
			var b batch
			if b, events = w.cut(events); len(b.events) > 0 {
				if err := w.deliver(ctx, b); err != nil {
					return err
				}
			}
			w.reach(b.end)
			if len(events) > 0 && time.Since(came) > maxAge {
				return nil // the rest is read again
			}
		}
		if w.ahead() && time.Since(w.unsaved) >= saveWithin {
			if err := w.claim.save(ctx, w.reached.Load()); err != nil {
				return err
			}
		}
	}
}

// reach notes that nothing is left to do up to the position.
func (w *worker) reach(position uint64) {
	if !w.ahead() {
		w.unsaved = time.Now()
	}
	w.reached.Store(position)
}

// ahead reports whether the position has to be written.
func (w *worker) ahead() bool { return w.reached.Load() > w.claim.saved() }

// next waits for events, or until the position has to be written.
func (w *worker) next(ctx context.Context, cursor store.Cursor) ([]*chime.Event, error) {
	bounded := ctx
	if w.ahead() {
		bounded = w.bound(ctx)
	}
	events, err := cursor.Next(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		return nil, nil
	}
	return events, err
}

// wait is a context that ends when the position has to be written. It is made once for each time that the
// position gets ahead, and not for each event, since followers read every event of the log.
type wait struct {
	of, bounded context.Context
	since       time.Time
	cancel      context.CancelFunc
}

// bound is ctx until the position has to be written.
func (w *worker) bound(ctx context.Context) context.Context {
	if w.wait.of != ctx || w.wait.since != w.unsaved {
		w.unbind()
		w.wait = wait{of: ctx, since: w.unsaved}
		w.wait.bounded, w.wait.cancel = context.WithDeadline(ctx, w.unsaved.Add(saveWithin))
	}
	return w.wait.bounded
}

// unbind gives back what bound took.
func (w *worker) unbind() {
	if w.wait.cancel != nil {
		w.wait.cancel()
	}
	w.wait = wait{}
}

// skipTrimmed goes on at the log's beginning when events after the position were trimmed.
func (w *worker) skipTrimmed(ctx context.Context) error {
	var lost uint64
	reached := w.reached.Load()
	err := w.claim.change(ctx, func(tx store.Tx, record *chime.Following) error {
		before, err := store.LogStart(tx, w.app)
		if err != nil {
			return err
		}
		record.Position = max(before, reached)
		lost = record.Position - reached
		record.Lost += lost
		return nil
	})
	if err != nil {
		return err
	}
	w.log.Error("follower: events were trimmed from the log before they were handled, going on at its beginning",
		"after", reached, "lost", lost)
	w.counts.lost.Add(lost)
	w.reached.Store(w.claim.saved())
	return nil
}
